// Drawing that waits for numbers: of many choices in a row the last one is what stays.

// Returns a function that runs `work`, one run after another; asked for again meanwhile, it runs once more.
export function latest(work) {
  let running = null;
  let stale = false;
  async function run() {
    while (stale) {
      stale = false;
      await work();
    }
  }
  return () => {
    stale = true;
    running ??= run().finally(() => { running = null; });
    return running;
  };
}
