/// How activations meet block-quantised weights (Q8_0, Q4_K and their kin). Other weights always meet float32.
public enum ActivationType: String, CaseIterable, Sendable {
  /// Rounded to eight bits, 32 at a time, each with a scale: products of integers, two to four times as fast.
  case int8
  /// Kept, the weights being widened: the reference for the other.
  case f32
}
