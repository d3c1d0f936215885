import type { Tracer } from '@opentelemetry/api';
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { Resource } from '@opentelemetry/resources';
import { AlwaysOnSampler, BasicTracerProvider, BatchSpanProcessor, NoopSpanProcessor } from '@opentelemetry/sdk-trace-base';
import { OpenTelemetryPlugin } from '@temporalio/interceptors-opentelemetry';

/**
 * Traces from a client's call through workflows into activities. The interceptors are always in (histories recorded
 * without them could not be replayed with them); spans leave the process only when an OTLP endpoint is set.
 */
export function openTelemetry({ service, otlpEndpoint }: { service: string; otlpEndpoint: string | null }): OpenTelemetryPlugin {
  const resource = new Resource({ 'service.name': service });
  const spanProcessor = otlpEndpoint === null ? new NoopSpanProcessor() : new BatchSpanProcessor(new OTLPTraceExporter());
  if (otlpEndpoint !== null) new BasicTracerProvider({ resource, spanProcessors: [spanProcessor] }).register();
  return new OpenTelemetryPlugin({ resource, spanProcessor });
}

const exportLimitMs = 5_000;

/** A tracer whose spans all leave the process; its user decides what is traced. */
export type OpenTracer = { readonly tracer: Tracer; /** Sends what is left. */ close(): Promise<void> };

/** Spans of the gateway, over OTLP with JSON. Null without an endpoint: nothing is traced then. */
export function openTracer({ service, otlpEndpoint }: { service: string; otlpEndpoint: string | null }): OpenTracer | null {
  if (otlpEndpoint === null) return null;
  const exporter = new OTLPTraceExporter({ url: `${otlpEndpoint.replace(/\/+$/, '')}/v1/traces`, timeoutMillis: exportLimitMs });
  const provider = new BasicTracerProvider({
    resource: new Resource({ 'service.name': service }),
    sampler: new AlwaysOnSampler(),
    // A collector that is away must not hold up the end of the process for long.
    spanProcessors: [new BatchSpanProcessor(exporter, { exportTimeoutMillis: exportLimitMs })],
  });
  return { tracer: provider.getTracer('perennial'), close: () => provider.shutdown() };
}
