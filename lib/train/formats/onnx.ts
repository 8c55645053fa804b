/**
 * A policy as an ONNX model, for onnxruntime and everything else that reads ONNX.
 *
 * Only the few messages of onnx.proto that a chain of layers needs are written; the field numbers
 * below are those of that file (IR version 8, operator set 17).
 */
import { BinaryWriter, WireType } from '@bufbuild/protobuf/wire';
import { invalidValue } from '../../errors.js';
import type { PolicyLayer, PolicyNetwork } from '../trainable.js';

const irVersion = 8;
const opsetVersion = 17;
/** TensorProto.DataType.FLOAT */
const float32 = 1;
/** AttributeProto.AttributeType.INT */
const integerAttribute = 2;

/** A node of the graph: an operator with the names of what goes in and what comes out. */
interface Node {
  operator: string;
  inputs: string[];
  output: string;
  attributes?: Record<string, number>;
}

/** A constant: a weight, a bias, a scale. */
interface Constant {
  name: string;
  shape: number[];
  data: Float32Array;
}

/**
 * Write a policy as an ONNX model with input "observation" [batch, observationSize] and output
 * "action" [batch, actionSize], both float32; the batch size is free.
 *
 * @param policy layers and action range
 * @param policy.metadata strings stored in the model
 * @returns the bytes of the .onnx file
 * @throws InvalidValueError when the sizes of layers and action range do not fit together
 */
export function encodeOnnxPolicy(
  policy: PolicyNetwork & { metadata?: Record<string, string> },
): Uint8Array {
  checkPolicy(policy);
  const { nodes, constants } = buildGraph(policy);
  const observationSize = policy.layers[0]?.inSize ?? 0;

  const writer = new BinaryWriter();
  integer(writer, 1, irVersion);
  text(writer, 2, 'rnm-td3');
  message(writer, 7, () => {
    for (const node of nodes) writeNode(writer, node);
    text(writer, 2, 'policy');
    for (const constant of constants) writeConstant(writer, constant);
    writeValue(writer, 11, 'observation', observationSize);
    writeValue(writer, 12, 'action', policy.actionLow.length);
  });
  message(writer, 8, () => {
    text(writer, 1, '');
    integer(writer, 2, opsetVersion);
  });
  for (const [key, value] of Object.entries(policy.metadata ?? {})) {
    message(writer, 14, () => {
      text(writer, 1, key);
      text(writer, 2, value);
    });
  }
  return writer.finish();
}

function checkPolicy({ layers, actionLow, actionHigh }: PolicyNetwork): void {
  if (layers.length === 0) throw invalidValue('layers', 'at least one layer', layers);
  layers.forEach((layer, i) => {
    const { inSize, outSize, weight, bias } = layer;
    const expectedIn = layers[i - 1]?.outSize ?? inSize;
    if (inSize !== expectedIn) {
      throw invalidValue(`layers[${i}].inSize`, `the layer's input size ${expectedIn}`, inSize);
    }
    if (weight.length !== inSize * outSize) {
      throw invalidValue(`layers[${i}].weight`, `of length ${inSize} * ${outSize}`, weight);
    }
    if (bias.length !== outSize) {
      throw invalidValue(`layers[${i}].bias`, `of length ${outSize}`, bias);
    }
  });
  const actionSize = layers.at(-1)?.outSize ?? 0;
  for (const [name, limit] of Object.entries({ actionLow, actionHigh })) {
    if (limit.length !== actionSize) throw invalidValue(name, `of length ${actionSize}`, limit);
  }
}

/** Gemm and Relu for each layer, Tanh, then Mul and Add to the action range. */
function buildGraph(policy: PolicyNetwork): { nodes: Node[]; constants: Constant[] } {
  const nodes: Node[] = [];
  const constants: Constant[] = [];
  let previous = 'observation';
  const then = (operator: string, output: string, ...parameters: Constant[]): void => {
    constants.push(...parameters);
    const inputs = [previous, ...parameters.map((parameter) => parameter.name)];
    // Weights are stored [out, in], as everywhere: Gemm multiplies by their transpose.
    const attributes = operator === 'Gemm' ? { attributes: { transB: 1 } } : {};
    nodes.push({ operator, inputs, output, ...attributes });
    previous = output;
  };

  policy.layers.forEach((layer, i) => {
    then('Gemm', `linear.${i}`, ...layerConstants(layer, i));
    if (i < policy.layers.length - 1) then('Relu', `relu.${i}`);
  });
  const { scale, center } = actionScaling(policy);
  const shape = [policy.actionLow.length];
  then('Tanh', 'tanh');
  then('Mul', 'scaled', { name: 'action.scale', shape, data: scale });
  then('Add', 'action', { name: 'action.center', shape, data: center });
  return { nodes, constants };
}

function layerConstants({ weight, bias, inSize, outSize }: PolicyLayer, i: number): Constant[] {
  return [
    { name: `actor.${i}.weight`, shape: [outSize, inSize], data: weight },
    { name: `actor.${i}.bias`, shape: [outSize], data: bias },
  ];
}

/** Half the width and the middle of the action range: action = center + scale * tanh(...). */
function actionScaling({ actionLow, actionHigh }: PolicyNetwork): {
  scale: Float32Array;
  center: Float32Array;
} {
  return {
    scale: actionLow.map((low, i) => ((actionHigh[i] ?? 0) - low) / 2),
    center: actionLow.map((low, i) => ((actionHigh[i] ?? 0) + low) / 2),
  };
}

/** GraphProto.node */
function writeNode(writer: BinaryWriter, node: Node): void {
  message(writer, 1, () => {
    for (const input of node.inputs) text(writer, 1, input);
    text(writer, 2, node.output);
    text(writer, 3, node.output);
    text(writer, 4, node.operator);
    for (const [name, value] of Object.entries(node.attributes ?? {})) {
      message(writer, 5, () => {
        text(writer, 1, name);
        integer(writer, 3, value);
        integer(writer, 20, integerAttribute);
      });
    }
  });
}

/** GraphProto.initializer */
function writeConstant(writer: BinaryWriter, { name, shape, data }: Constant): void {
  message(writer, 5, () => {
    for (const size of shape) integer(writer, 1, size);
    integer(writer, 2, float32);
    text(writer, 8, name);
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
    writer.tag(9, WireType.LengthDelimited).bytes(bytes);
  });
}

/** GraphProto.input or output: float32 [batch, size]. */
function writeValue(writer: BinaryWriter, field: number, name: string, size: number): void {
  message(writer, field, () => {
    text(writer, 1, name);
    // TypeProto, in it TypeProto.Tensor, in it TensorShapeProto.
    message(writer, 2, () => {
      message(writer, 1, () => {
        integer(writer, 1, float32);
        message(writer, 2, () => {
          message(writer, 1, () => text(writer, 2, 'batch'));
          message(writer, 1, () => integer(writer, 1, size));
        });
      });
    });
  });
}

function message(writer: BinaryWriter, field: number, content: () => void): void {
  writer.tag(field, WireType.LengthDelimited).fork();
  content();
  writer.join();
}

function text(writer: BinaryWriter, field: number, value: string): void {
  writer.tag(field, WireType.LengthDelimited).string(value);
}

function integer(writer: BinaryWriter, field: number, value: number): void {
  writer.tag(field, WireType.Varint).int64(value);
}
