// Makes an agent on the emulated GPU and lets it learn, saving its state after every update; prints
// what came of it as JSON. RNM_EMULATOR_FAIL says what goes wrong on the way.
import { cudaReport } from '../../lib/device/index.js';
import { Td3Agent } from '../../lib/td3/agent.js';

const result: Record<string, unknown> = {
  report: cudaReport({ emulated: true }),
  learnt: 0,
  finite: true,
};
try {
  const agent = new Td3Agent({
    observationSize: 3,
    actionSize: 1,
    actionLow: -1,
    actionHigh: 1,
    hiddenSizes: [8, 8],
    batchSize: 4,
    bufferSize: 50,
    device: 'cuda-emulated',
  });
  for (let step = 0; step < 6; step++) {
    const observation = [step, 1, 2].map(Math.sin);
    const action = agent.act(observation);
    const transition = { observation, action, reward: 1, nextObservation: observation };
    agent.observe({ ...transition, terminated: false });
    agent.learn();
    const weights = agent.networks.actor.read(0, 'weight');
    result['finite'] = weights.every(Number.isFinite);
    result['learnt'] = agent.updates;
  }
  agent.close();
} catch (error) {
  result['error'] = { name: (error as Error).name, message: (error as Error).message };
}
console.log(JSON.stringify(result));
