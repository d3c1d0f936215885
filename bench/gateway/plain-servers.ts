import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { InferenceSession, Tensor } from 'onnxruntime-node';

/** Answers each request with its own body: what HTTP in Node costs. */
export function echoServer(port: number): void {
  serve(port, (body, response) => {
    response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': body.length });
    response.end(body);
  });
}

/** The Open Inference Protocol in its plainest form: one `session.run` a request, nothing checked, captured or counted. */
export async function plainServer(port: number, model: string): Promise<void> {
  const session = await InferenceSession.create(model, { intraOpNumThreads: 1 });
  const [output] = session.outputNames;
  serve(port, (body, response) => {
    if (body.length === 0) return void response.end('{}');
    const request = JSON.parse(body.toString()) as { inputs: { name: string; shape: number[]; data: number[] }[] };
    const [input] = request.inputs;
    const feeds = { [input!.name]: new Tensor('float32', Float32Array.from(input!.data), input!.shape) };
    void session.run(feeds).then((answer) => {
      const tensor = answer[output!]!;
      const outputs = [{ name: output, shape: tensor.dims, datatype: 'FP32', data: Array.from(tensor.data as Float32Array) }];
      const text = JSON.stringify({ model_name: 'bench', outputs });
      response.writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': text.length });
      response.end(text);
    });
  });
}

function serve(port: number, answer: (body: Buffer, response: ServerResponse) => void): void {
  const server = createServer((request: IncomingMessage, response) => {
    const chunks: Buffer[] = [];
    request.on('data', (chunk: Buffer) => chunks.push(chunk));
    request.on('end', () => answer(Buffer.concat(chunks), response));
  });
  server.listen(port, '127.0.0.1');
}
