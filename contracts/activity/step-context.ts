/** Run id and cache switch that every training step carries. */
export type StepContext = { readonly model: string; readonly run: string; readonly useCache: boolean };
