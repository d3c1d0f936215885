import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-http';
import { Resource } from '@opentelemetry/resources';
import { BasicTracerProvider, BatchSpanProcessor, NoopSpanProcessor } from '@opentelemetry/sdk-trace-base';
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
