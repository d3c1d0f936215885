/** A figure of the whole gateway, read when somebody asks. */
export type SampledFigure = {
  readonly name: string;
  readonly kind: 'counter' | 'gauge';
  readonly help: string;
  readonly read: () => number;
};

/** A figure that only grows; its name ends in `_total`. */
export const counter = (name: string, help: string, read: () => number): SampledFigure => ({ name, kind: 'counter', help, read });

/** A figure that goes up and down. */
export const gauge = (name: string, help: string, read: () => number): SampledFigure => ({ name, kind: 'gauge', help, read });
