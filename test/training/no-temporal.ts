/** In the worker that the test kills, nothing asks for Temporal's context. */
export const Context = {
  current(): never {
    throw new Error('no activity runs here');
  },
};
