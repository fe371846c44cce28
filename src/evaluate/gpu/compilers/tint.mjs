// Reads kernels as JSON, has Tint compile each under WebGPU's default limits, and writes which were refused, and why.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

const { create } = await import(pathToFileURL(join(process.argv[1], 'index.js')));
// The backend that computes nothing.
const gpu = create(['backend=null']);
const adapter = await gpu.requestAdapter();
const device = await adapter.requestDevice({ requiredFeatures: ['subgroups'] });

async function refusal({ entry_point, text, constants }) {
  const module = device.createShaderModule({ code: text });
  const { messages } = await module.getCompilationInfo();
  const errors = messages.filter(({ type }) => type === 'error');
  if (errors.length > 0) {
    return errors.map(({ lineNum, message }) => `line ${lineNum}: ${message}`).join('; ');
  }
  const compute = { module, entryPoint: entry_point, constants: Object.fromEntries(constants) };
  return device.createComputePipelineAsync({ layout: 'auto', compute }).then(() => null, ({ message }) => message);
}

let compiled = 0;
const refused = [];
for (const kernel of JSON.parse(readFileSync(0, 'utf8'))) {
  device.pushErrorScope('validation');
  const why = await refusal(kernel);
  await device.popErrorScope();
  if (why === null) compiled += 1;
  else refused.push({ name: kernel.name, why });
}
process.stdout.write(JSON.stringify({ compiled, refused }), () => process.exit(0));
