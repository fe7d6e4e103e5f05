/* Every section that keeps its state in the address: which words there are its own, and how it follows them. */
const followers = {};

function follows(place, keys, follow) {
  followers[place] = { keys, follow };
}

/* What one section changes leaves the others' words as they are. */
function keepState(place, changed) {
  const { options } = readState();
  for (const key of followers[place].keys) options.delete(key);
  for (const [key, value] of Object.entries(changed)) if (value !== "") options.set(key, value);
  writeState(place, options);
}

/* A plain link to a section changes nothing; an address with options, or none at all, changes everything. */
function followAll(first) {
  const { place, options } = readState();
  if (!first && place && !location.hash.includes("?")) return;
  for (const { follow } of Object.values(followers)) follow(options);
}
