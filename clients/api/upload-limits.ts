/** What may be put into the object store through the control API: media type -> the most bytes that are taken. */
export const uploadLimits = {
  /** Protobuf's own limit, in which ONNX files are written. */
  'application/onnx': 2 * 1024 ** 3,
  /** As large as a request to the gateway may be. */
  'application/json': 64 * 1024 ** 2,
} as const satisfies Readonly<Record<string, number>>;

export type UploadMediaType = keyof typeof uploadLimits;

export function isUploadMediaType(text: string): text is UploadMediaType {
  return Object.hasOwn(uploadLimits, text);
}
