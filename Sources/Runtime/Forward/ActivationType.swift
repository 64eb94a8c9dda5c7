/// The type to which activations are rounded before they meet the weights of a linear map.
///
/// Norms, attention, residuals, adapters and logits are always float32.
public enum ActivationType: String, CaseIterable, Sendable {
  /// Rounded to eight bits for block-quantised weights (Q8_0, Q4_K and their kin), 32 at a time, each with a scale:
  /// products of integers, two to four times as fast. Weights of floats meet float32. The default.
  case int8
  /// Never rounded; block-quantised weights are widened. The reference for the others.
  case f32
  /// Rounded to bf16 for BF16 weights, as llama.cpp does: prompts 1.6 times as fast where the processor has
  /// AVX512-BF16, slower elsewhere. Other weights meet what they meet by default.
  case bf16
}
