// The numbers of the element types in a GGUF file; GGUF has no others.

private let typesByCode: [UInt32: ElementType] = [
  0: .f32, 1: .f16, 2: .q4_0, 3: .q4_1, 6: .q5_0, 7: .q5_1, 8: .q8_0, 9: .q8_1, 10: .q2_K, 11: .q3_K,
  12: .q4_K, 13: .q5_K, 14: .q6_K, 15: .q8_K, 16: .iq2_XXS, 17: .iq2_XS, 18: .iq3_XXS, 19: .iq1_S,
  20: .iq4_NL, 21: .iq3_S, 22: .iq2_S, 23: .iq4_XS, 24: .i8, 25: .i16, 26: .i32, 27: .i64, 28: .f64,
  29: .iq1_M, 30: .bf16, 34: .tq1_0, 35: .tq2_0, 39: .mxfp4,
]
private let codesByType = Dictionary(uniqueKeysWithValues: typesByCode.map { ($1, $0) })

extension ElementType {
  /// The type of a number in a GGUF file, or nil.
  init?(ggufCode: UInt32) {
    guard let type = typesByCode[ggufCode] else { return nil }
    self = type
  }

  /// The number in a GGUF file, or nil.
  var ggufCode: UInt32? { codesByType[self] }
}
