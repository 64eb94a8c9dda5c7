import ModelFiles
import Support

/// The weights that are sampled from a base (spec/base-identity.md, section 4).
struct BaseSketch: Sendable, Equatable {
  /// A tensor that runs were taken from.
  struct SampledTensor: Sendable, Equatable {
    let name: String
    let element: SampledElement
    let shape: [Int]

    var isMatrix: Bool { shape.count >= 2 }
    var columns: Int { shape.last ?? 1 }
    var rows: Int { shape.dropLast().reduce(1, *) }
    /// Elements of one run.
    var runLength: Int { min(BaseSketch.runLength, columns) }
  }

  /// Neighbouring elements of one row.
  struct Run: Sendable, Equatable {
    let tensor: Int
    let row: Int
    let column: Int
    let values: [Float]
  }

  static let runLength = 32
  static let maximumKinds = 32

  /// In ascending order of names.
  let tensors: [SampledTensor]
  /// In ascending order of (tensor, row, column).
  let runs: [Run]

  init(tensors: [SampledTensor], runs: [Run]) {
    self.tensors = tensors
    self.runs = runs
  }

  /// Takes the sample of a base.
  ///
  /// - Throws: ``AdapterError`` naming the tensor that is quantised or not finite, or that there is none.
  init(of candidate: some BaseCandidate) throws(AdapterError) {
    func failure(_ place: String, found: String, expected: String, advice: String = "") -> AdapterError {
      AdapterError(
        path: candidate.path,
        violations: [
          .init(
            .badTensor, file: candidate.path, place: place, found: found, expected: expected, advice: advice)
        ])
    }
    var tensors: [SampledTensor] = []
    var runs: [Run] = []
    for tensor in Self.choose(candidate.tensors) {
      let place = "tensor " + quoted(tensor.name)
      guard let element = SampledElement(tensor.elementType) else {
        throw failure(
          place, found: "element type " + tensor.elementType.rawValue, expected: "F32, F16 or BF16",
          advice: "Identify the base by the weights that it was quantised from.")
      }
      for (row, column) in Self.places(tensor) {
        let range = column..<(column + min(Self.runLength, tensor.columns))
        let values = candidate.values(of: tensor, row: row, columns: range).values
        guard values.allSatisfy(\.isFinite) else {
          throw failure(
            place + ", row \(row)", found: "NaN or infinity", expected: "finite weights",
            advice: "The base is damaged: download it again.")
        }
        runs.append(Run(tensor: tensors.count, row: row, column: column, values: values))
      }
      tensors.append(SampledTensor(name: tensor.name, element: element, shape: tensor.shape))
    }
    guard !runs.isEmpty else {
      throw failure("", found: "no tensor", expected: "a model's weights")
    }
    self.init(tensors: tensors, runs: runs)
  }

  /// The tensors that are sampled, in ascending order of names.
  static func choose(_ tensors: [BaseTensor]) -> [BaseTensor] {
    let kinds = Dictionary(grouping: tensors) { kind(of: $0.name) }
    var names = kinds.keys.sorted(by: bytesPrecede)
    if names.count > maximumKinds {
      names = (0..<maximumKinds).map { names[$0 * names.count / maximumKinds] }
    }
    var chosen: [BaseTensor] = []
    for name in names {
      let members = (kinds[name] ?? []).sorted {
        let (a, b) = ($0.name.utf8.count, $1.name.utf8.count)
        return a == b ? bytesPrecede($0.name, $1.name) : a < b
      }
      let count = min(3, members.count)
      for i in 0..<count {
        let (start, end) = (i * members.count / count, (i + 1) * members.count / count)
        chosen.append(members[start + pick(name, i, end - start)])
      }
    }
    return chosen.sorted { bytesPrecede($0.name, $1.name) }
  }

  /// The rows and columns where the runs of a tensor begin, in ascending order.
  private static func places(_ tensor: BaseTensor) -> [(row: Int, column: Int)] {
    var places: [(row: Int, column: Int)] = []
    for j in 0..<(tensor.isMatrix ? 3 : 1) {
      let row = pick(tensor.name, 2 * j, tensor.rows)
      let column = runLength * pick(tensor.name, 2 * j + 1, max(1, tensor.columns / runLength))
      if !places.contains(where: { $0 == (row, column) }) { places.append((row, column)) }
    }
    return places.sorted { $0 < $1 }
  }

  /// The name with every number in it replaced by a star: `layers.*.mlp.up_proj.weight`.
  static func kind(of name: String) -> String {
    name.split(separator: ".", omittingEmptySubsequences: false).map { part in
      !part.isEmpty && part.utf8.allSatisfy { (0x30...0x39).contains($0) } ? "*" : part
    }.joined(separator: ".")
  }

  /// A fixed pseudo-random number below `count`.
  private static func pick(_ text: String, _ i: Int, _ count: Int) -> Int {
    let hash = Digest.sha256(Array(text.utf8) + [0] + littleEndianBytes(UInt32(i)))
    let value = hash.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    return Int(value % UInt64(count))
  }
}

/// The element types that a sketch holds values in, by their codes in the file.
enum SampledElement: UInt8, Sendable {
  case f32 = 0
  case f16 = 1
  case bf16 = 2

  init?(_ type: ElementType) {
    switch type {
    case .f32: self = .f32
    case .f16: self = .f16
    case .bf16: self = .bf16
    default: return nil
    }
  }

  var type: ElementType {
    switch self {
    case .f32: .f32
    case .f16: .f16
    case .bf16: .bf16
    }
  }

  var byteSize: Int { self == .f32 ? 4 : 2 }

  /// Half the distance between neighbours at `value`: rounding to it moved a number by no more.
  func halfSpacing(_ value: Double) -> Double {
    let (fraction, lowest) =
      switch self {
      case .f32: (23, -126)
      case .f16: (10, -14)
      case .bf16: (7, -126)
      }
    let exponent = value == 0 || !value.isFinite ? lowest : max(Int(value.exponent), lowest)
    return Double(sign: .plus, exponent: exponent - fraction - 1, significand: 1)
  }

  /// The pattern of a value that the type holds exactly.
  func pattern(_ value: Float) -> UInt32 {
    switch self {
    case .f32: value.bitPattern
    case .bf16: value.bitPattern >> 16
    case .f16: UInt32(exactFloat16(value) ?? 0)
    }
  }

  func value(_ pattern: UInt32) -> Float {
    switch self {
    case .f32: Float(bitPattern: pattern)
    case .bf16: float(bfloat16: UInt16(truncatingIfNeeded: pattern))
    case .f16: float(float16: UInt16(truncatingIfNeeded: pattern))
    }
  }
}

/// The half-precision pattern whose widening is exactly `value`, bit for bit; nil if there is none.
func exactFloat16(_ value: Float) -> UInt16? {
  let bits = value.bitPattern
  let sign = UInt16(bits >> 16) & 0x8000
  let exponent = Int(bits >> 23 & 0xff)
  let fraction = bits & 0x7f_ffff
  let pattern: UInt16
  if exponent == 0xff {
    pattern = sign | 0x7c00 | UInt16(fraction >> 13)
  } else if exponent >= 113 {
    guard exponent <= 142 else { return nil }
    pattern = sign | UInt16(exponent - 112) << 10 | UInt16(fraction >> 13)
  } else if exponent >= 103 {
    pattern = sign | UInt16((fraction | 0x80_0000) >> UInt32(126 - exponent))  // a subnormal of 2⁻²⁴
  } else {
    pattern = sign
  }
  return float(float16: pattern).bitPattern == bits ? pattern : nil
}
