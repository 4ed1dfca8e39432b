// Weights of 8 bits to float32: as ONNX's DequantizeLinear with a scale for each channel.

// `buffer`: all scales in float32, then all bytes; `tensors`: `[outer, channels, inner]` of each. The result is the bytes of
// the numbers, one tensor after another, in the order of `train.exporting.weights.pack`.
export function dequantised(buffer, tensors) {
  const channels = tensors.reduce((sum, [, count]) => sum + count, 0);
  const scales = new Float32Array(buffer, 0, channels), steps = new Int8Array(buffer, 4 * channels), out = new Float32Array(steps.length);
  let at = 0, first = 0;
  for (const [outer, count, inner] of tensors) {
    for (let o = 0; o < outer; o++)
      for (let channel = 0; channel < count; channel++) {
        const scale = scales[first + channel];
        for (const end = at + inner; at < end; at++) out[at] = steps[at] * scale;
      }
    first += count;
  }
  return new Uint8Array(out.buffer);
}
