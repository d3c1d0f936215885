import type { Stack } from './stack.js';

/** Where a person finds the parts of the stack. */
export function linesOf(stack: Pick<Stack, 'temporalUi' | 'temporalAddress' | 'gatewayUrl' | 'gatewayGrpc' | 'apiUrl'>): string[] {
  return [
    `Temporal Web UI  ${stack.temporalUi ?? `of the server at ${stack.temporalAddress}`}`,
    `Gateway          ${stack.gatewayUrl}/v2/models, gRPC ${stack.gatewayGrpc}`,
    `Control API      ${stack.apiUrl}/api/openapi.json`,
  ];
}
