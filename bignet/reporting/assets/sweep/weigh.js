/* Weights on quality, speed and bytes -> the choice they pick. The same as the formula printed beside the sliders. */
const WEIGHED = ["quality", "speed", "bytes"];

function sharesOf(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return values.map((value) => (high > low ? (value - low) / (high - low) : 1));
}

/* Choices stand best first, so of equals the first is the better. */
function weighedPick(choices, weights) {
  const total = WEIGHED.reduce((sum, key) => sum + weights[key], 0);
  const known = choices.map((choice, i) => [choice, i]).filter(([choice]) => WEIGHED.every((key) => choice[key] !== null));
  if (!(total > 0) || !known.length) return -1;
  const shares = {
    quality: sharesOf(known.map(([choice]) => choice.quality)),
    speed: sharesOf(known.map(([choice]) => Math.log(choice.speed))),
    bytes: sharesOf(known.map(([choice]) => -Math.log(choice.bytes))),
  };
  const worth = known.map((_, i) => WEIGHED.reduce((sum, key) => sum + weights[key] * shares[key][i], 0) / total);
  const best = worth.reduce((held, value, i) => (value > worth[held] ? i : held), 0);
  return known[best][1];
}
