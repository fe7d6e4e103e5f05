/* What speed and size are worth, in points of the score -> the choice with the most worth, the first of equals. */
function weighedPick(choices, weights) {
  const able = choices.map((choice, i) => [choice, i]).filter(([choice]) => choice.front && choice.chosen !== null);
  const speeds = able.map(([choice]) => choice.speed).filter((speed) => speed !== null);
  const slowest = speeds.length ? Math.min(...speeds) : 1;
  const worth = ({ chosen, speed, bytes }) => chosen + weights.speed * Math.log2(speed ?? slowest) - weights.size * Math.log2(bytes);
  let [best, most] = [-1, -Infinity];
  for (const [choice, i] of able) if (worth(choice) > most) [best, most] = [i, worth(choice)];
  return best;
}
