import ModelFiles

/// The halves of low-rank pairs, joined by module while a file's tensors are read.
struct PairHalves {
  private var halves: [String: (a: Tensor?, b: Tensor?)] = [:]
  /// The modules in the order of their first halves.
  private(set) var modules: [String] = []

  /// Adds a half; false if the module has that half already.
  mutating func add(_ tensor: Tensor, isA: Bool, to module: String) -> Bool {
    if halves[module] == nil { modules.append(module) }
    let pair = halves[module] ?? (nil, nil)
    guard (isA ? pair.a : pair.b) == nil else { return false }
    halves[module] = isA ? (tensor, pair.b) : (pair.a, tensor)
    return true
  }

  /// Both halves of a module.
  ///
  /// - Parameters:
  ///   - file: the file, for messages.
  ///   - names: what the format calls the halves.
  /// - Throws: a violation if one is missing.
  func pair(
    of module: String, file: String, names: (a: String, b: String) = ("lora_a", "lora_b")
  ) throws(AdapterError.Violation) -> (a: Tensor, b: Tensor) {
    let (a, b) = halves[module] ?? (nil, nil)
    guard let a, let b else {
      throw .init(
        .badTensor, file: file, place: "tensor " + quoted((a ?? b)?.name ?? ""),
        found: "no \(a == nil ? names.a : names.b) for it", expected: "a complete pair",
        advice: "The file is incomplete: get it again.")
    }
    return (a, b)
  }
}
