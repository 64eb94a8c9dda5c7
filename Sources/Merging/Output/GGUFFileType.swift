public import ModelFiles

/// What a GGUF file's matrices are stored as: one type, or a mixture under one name, as llama.cpp makes it.
public enum GGUFFileType: String, CaseIterable, Sendable {
  /// Single precision.
  case f32 = "F32"
  /// Half precision.
  case f16 = "F16"
  /// The upper half of single precision.
  case bf16 = "BF16"
  /// Eight bits a weight.
  case q8_0 = "Q8_0"
  /// Four bits a weight.
  case q4_0 = "Q4_0"
  /// Five bits a weight.
  case q5_0 = "Q5_0"
  /// Five bits a weight, with minima.
  case q5_1 = "Q5_1"
  /// K-quants of four bits, more for few matrices.
  case q4_K_S = "Q4_K_S"
  /// K-quants of four bits, six for half of the most sensitive matrices.
  case q4_K_M = "Q4_K_M"
  /// K-quants of five bits.
  case q5_K_S = "Q5_K_S"
  /// K-quants of five bits, six for half of the most sensitive matrices.
  case q5_K_M = "Q5_K_M"
  /// K-quants of six bits.
  case q6_K = "Q6_K"

  /// The type of a name in any case: `q4_k_m`.
  public init?(name: String) {
    guard let type = Self.allCases.first(where: { $0.rawValue.lowercased() == name.lowercased() }) else {
      return nil
    }
    self = type
  }

  /// The number that `general.file_type` gives it.
  public var code: UInt32 {
    switch self {
    case .f32: 0
    case .f16: 1
    case .q4_0: 2
    case .q8_0: 7
    case .q5_0: 8
    case .q5_1: 9
    case .q4_K_S: 14
    case .q4_K_M: 15
    case .q5_K_S: 16
    case .q5_K_M: 17
    case .q6_K: 18
    case .bf16: 32
    }
  }

  /// The type of most matrices.
  public var mainType: ElementType {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    case .q8_0: .q8_0
    case .q4_0: .q4_0
    case .q5_0: .q5_0
    case .q5_1: .q5_1
    case .q4_K_S, .q4_K_M: .q4_K
    case .q5_K_S, .q5_K_M: .q5_K
    case .q6_K: .q6_K
    }
  }

  /// Whether numbers are rounded by blocks.
  public var isQuantised: Bool { mainType.isQuantised }

  /// The type of one tensor in a file of this type.
  ///
  /// - Parameters:
  ///   - name: its name in GGUF.
  ///   - shape: its sizes.
  ///   - layerCount: layers of the model.
  ///   - isTied: whether the head is the embedding.
  public func type(of name: String, shape: [Int], layerCount: Int, isTied: Bool) -> ElementType {
    // Vectors and norms stay exact.
    guard shape.count == 2, name.hasSuffix(".weight"), !name.contains("_norm.weight") else { return .f32 }
    guard isQuantised else { return mainType }
    let columns = shape[1]
    var type = mainType
    let parts = name.split(separator: ".")
    let layer = parts.count == 4 ? Int(parts[1]) ?? 0 : 0
    // Errors in the first and last eighth of the layers, and in every third between, raise the loss most.
    let isSensitive =
      layer < layerCount / 8 || layer >= 7 * layerCount / 8 || (layer - layerCount / 8) % 3 == 2
    let isMedium = self == .q4_K_M || self == .q5_K_M
    if name == "output.weight" || (isTied && name == "token_embd.weight") {
      if type != .q8_0 { type = columns.isMultiple(of: type.block.elements) ? .q6_K : .q8_0 }
    } else if name.hasSuffix(".attn_v.weight") {
      if isMedium, isSensitive {
        type = .q6_K
      } else if self == .q4_K_S, layer < 4 {
        type = .q5_K
      }
      // In the model of 80 layers eight heads share a small value matrix, whose errors count more.
      if layerCount == 80, type == .q4_K { type = .q5_K }
    } else if name.hasSuffix(".ffn_down.weight") {
      if isMedium, isSensitive {
        type = .q6_K
      } else if self == .q4_K_S, layer < layerCount / 8 {
        type = .q5_K
      }
    }
    return Self.fitting(type, columns)
  }

  /// The type itself, or a relative whose blocks divide the rows.
  private static func fitting(_ type: ElementType, _ columns: Int) -> ElementType {
    if columns.isMultiple(of: type.block.elements) { return type }
    let relative: ElementType =
      switch type {
      case .q4_K: .q5_0
      case .q5_K: .q5_1
      case .q6_K: .q8_0
      default: type
      }
    return columns.isMultiple(of: relative.block.elements) ? relative : .f16
  }
}
