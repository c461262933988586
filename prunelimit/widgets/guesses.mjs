// A reader's guess, kept in this browser under the network's name: made in one widget, shown again in others.

const place = (name) => `prunelimit.guess.${name}`;

/** Keep the state's guess. */
export function keepGuess(view) {
  try {
    window.localStorage.setItem(place(view.data.name), String(view.state.guess));
  } catch {
    // storage may be switched off: the address still carries the guess
  }
}

/** The guess that was kept for a network, or 0. */
export function keptGuess(storage, name) {
  try {
    const stored = Number(storage.getItem(place(name)));
    return stored > 0 && stored < 1 ? stored : 0;
  } catch {
    return 0;
  }
}

/** Begin with the kept guess, unless the address has given one. */
export function recallGuess(view) {
  if (view.state.guess !== view.defaults.guess) return;
  let storage = null;
  try {
    storage = window.localStorage;
  } catch {
    return;
  }
  view.state.guess = keptGuess(storage, view.data.name) || view.state.guess;
}
