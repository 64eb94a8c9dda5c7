import CKernels
package import ModelFiles

/// The type to which activations are rounded before they meet the weights of a linear map.
///
/// Norms, attention, residuals, adapters and logits are always float32.
public enum ActivationType: String, CaseIterable, Sendable {
  /// Rounded to eight bits for block-quantised weights (Q8_0, Q4_K and their kin), 32 at a time, each with a scale:
  /// products of integers, two to four times as fast. Weights of floats meet float32.
  case int8
  /// Never rounded; block-quantised weights are widened. The reference for the others.
  case f32
  /// Rounded to bf16 for BF16 weights, as llama.cpp does where the processor has AVX512-BF16. Block-quantised weights
  /// meet eight bits.
  case bf16

  /// What a choice comes to for a model whose maps have weights of these types. Choices that round the same come to
  /// the same type, so that equal types are equal arithmetic.
  ///
  /// - Parameter isBf16Fast: whether rounding to bf16 saves time on this processor. Instructions decide, not
  ///   measurements: one machine always chooses the same.
  package init(
    _ choice: ActivationChoice, for weights: Set<ElementType>, isBf16Fast: Bool = tk_bf16_is_fast()
  ) {
    let hasPairs = weights.contains(.bf16)
    let hasBlocks = weights.contains { !$0.readsAsFloats }
    self =
      switch choice {
      case .f32: .f32
      case .bf16 where hasPairs, .fastest where hasPairs && isBf16Fast: .bf16
      case .int8, .bf16, .fastest: hasBlocks ? .int8 : .f32
      }
  }
}

/// How a model's activations are chosen.
public enum ActivationChoice: String, CaseIterable, Sendable {
  /// What computes fastest on this processor: bf16 for BF16 weights where one instruction multiplies pairs of bf16,
  /// otherwise as ``int8``. Results differ from machine to machine.
  case fastest
  /// Eight bits for block-quantised weights, float32 for all others. Results are the same on every machine.
  case int8
  /// Never rounded.
  case f32
  /// bf16 for BF16 weights, eight bits for block-quantised ones. Results are the same on every machine.
  case bf16
}
