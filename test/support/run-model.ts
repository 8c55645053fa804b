import * as ort from 'onnxruntime-web';

ort.env.wasm.numThreads = 1;

/** Run the ONNX model of a policy in onnxruntime: an action for each observation. */
export async function runModel(model: Uint8Array, observations: number[][]): Promise<number[][]> {
  const session = await ort.InferenceSession.create(model);
  const shape = [observations.length, observations[0]?.length ?? 0];
  const observation = new ort.Tensor('float32', Float32Array.from(observations.flat()), shape);
  const { action } = await session.run({ observation });
  const [batch = 0, size = 0] = action?.dims ?? [];
  const data = Array.from((await action?.getData()) as Float32Array);
  await session.release();
  return Array.from({ length: batch }, (_, i) => data.slice(i * size, (i + 1) * size));
}
