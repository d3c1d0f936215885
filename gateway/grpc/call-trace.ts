import { status } from '@grpc/grpc-js';
import type { TraceEnd } from '../watching/request-tracing.js';

const service = 'inference.GRPCInferenceService';

/** Codes that are the server's fault, as OpenTelemetry's conventions for gRPC servers have it. */
const serverFaults: ReadonlySet<status> = new Set([
  status.UNKNOWN,
  status.DEADLINE_EXCEEDED,
  status.UNIMPLEMENTED,
  status.INTERNAL,
  status.UNAVAILABLE,
  status.DATA_LOSS,
]);

export const isServerFault = (code: status): boolean => serverFaults.has(code);

/** How a traced call ended, in the words of OpenTelemetry's conventions for RPC servers. */
export function callTraceEnd(rpc: string, code: status): TraceEnd {
  return {
    name: `${service}/${rpc}`,
    attributes: { 'rpc.system': 'grpc', 'rpc.service': service, 'rpc.method': rpc, 'rpc.grpc.status_code': code },
    error: isServerFault(code) ? status[code]! : null,
  };
}
