/// What activations are rounded to where they meet the weights of a linear map.
///
/// Each value names one type of weights; all others meet what they meet by default. Norms, attention, residuals,
/// adapters and logits are float32 always.
public enum ActivationType: String, CaseIterable, Sendable {
  /// Rounded to eight bits for block-quantised weights (Q8_0, Q4_K and their kin), 32 at a time, each with a scale:
  /// products of integers, two to four times as fast. Weights of floats meet float32. The default.
  case int8
  /// Kept, block-quantised weights being widened: the reference for the others.
  case f32
  /// Rounded to bf16 for BF16 weights, as llama.cpp does: prompts 1.6 times as fast where the processor has
  /// AVX512-BF16, slower elsewhere. Weights of other types meet what they meet by default.
  case bf16
}
