/** Task queues. Leased work goes to a worker's own queue, `cpu:<workerId>`. */
export const taskQueues = { lifecycle: 'lifecycle', cpu: 'cpu', gpu: 'gpu' } as const;
