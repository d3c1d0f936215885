/** The variants that captured requests are kept apart by. */
export const captureVariants = ['champion', 'challenger', 'shadow', 'standby', 'unrouted'] as const;

const named =
  /^([a-z][a-z0-9-]*)\/(champion|challenger|shadow|standby|unrouted)\/(\d{4})\/(\d\d)\/(\d\d)\/(\d\d)\/(\d\d)-(\d\d)-(\d{3})-[^/]+\.jsonl$/;

/** The model of a file of captured requests and when the file was begun (epoch milliseconds); null for any other name. */
export function readCaptureFileName(name: string): { readonly model: string; readonly beganMs: number } | null {
  const found = named.exec(name);
  if (found === null) return null;
  const [year, month, day, hour, minute, second, ms] = found.slice(3).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  return { model: found[1]!, beganMs: Date.UTC(year, month - 1, day, hour, minute, second, ms) };
}
