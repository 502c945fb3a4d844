// Where cookies are blocked, to ask for the storage throws an error, also in the theme's
// scripts. All of them then get one that lasts as long as the page.
for (const name of ["localStorage", "sessionStorage"]) {
  try {
    window[name].setItem("densenet-try", "");
    window[name].removeItem("densenet-try");
  } catch {
    const items = new Map();
    const value = {
      getItem: (key) => items.get(key) ?? null,
      setItem: (key, item) => items.set(key, String(item)),
      removeItem: (key) => items.delete(key),
    };
    Object.defineProperty(window, name, { configurable: true, value });
  }
}
