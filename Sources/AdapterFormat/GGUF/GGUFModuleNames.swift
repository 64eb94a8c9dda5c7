import ModelFiles

/// Names of modules in GGUF files, and the order of their rows, for the known families.
struct GGUFModuleNames {
  let base: BaseArchitecture
  /// What the base's family calls things.
  private let family: FamilyNames

  private static let outerNames = ["embed_tokens": "token_embd", "lm_head": "output"]

  /// - Throws: a violation if the architecture, or a number of heads that orders rows, is unknown.
  init(_ base: BaseArchitecture?, file: String) throws(AdapterError.Violation) {
    guard let base else {
      throw .init(
        .unsupported("architecture"), file: file, found: "an adapter whose base is not identified",
        expected: "the base's architecture: GGUF names its modules by it",
        advice: "Name the base with --base; its config.json is enough.")
    }
    guard let family = FamilyNames(base.name) else {
      throw .init(
        .unsupported(base.name), file: file, found: "the architecture " + quoted(base.name),
        expected: FamilyNames.all.map { quoted($0) }.joined(separator: ", ")
          + ": for others the names and the order of rows in GGUF are not known here")
    }
    if family.pairsAreAdjacentInGGUF {
      guard let heads = base.headCount, let keyValueHeads = base.keyValueHeadCount, heads > 0,
        keyValueHeads > 0
      else {
        throw .init(
          .unsupported("heads"), file: file,
          found: "a base of the family \(family.gguf) with an unknown number of heads",
          expected: "the numbers of heads: GGUF orders the rows of q_proj and k_proj by them",
          advice: "Name the base with --base; its config.json is enough.")
      }
    }
    self.base = base
    self.family = family
  }

  /// `general.architecture`.
  var architecture: String { family.gguf }

  /// Whether the numbers of heads order rows.
  var needsHeads: Bool { family.pairsAreAdjacentInGGUF }

  /// `blk.3.attn_q.weight` of `layers.3.self_attn.q_proj`; nil if there is none.
  func name(of module: String) -> String? {
    if let name = Self.outerNames[module] { return name + ".weight" }
    let parts = module.split(separator: ".", maxSplits: 2, omittingEmptySubsequences: false)
    guard parts.count == 3, parts[0] == "layers", let layer = Self.number(parts[1]),
      let name = family.ggufName(inLayer: String(parts[2])), Self.isProjection(String(parts[2]))
    else { return nil }
    return "blk.\(layer).\(name).weight"
  }

  /// Whether low-rank pairs of a layer's module can stand in GGUF.
  private static func isProjection(_ path: String) -> Bool {
    Projection.allCases.contains { $0.path.utf8.elementsEqual(path.utf8) }
  }

  /// The module of a pair's tensor, by its name without the half's ending; nil if there is none.
  func module(of name: String) -> String? {
    guard let (path, parameter) = whole(name), parameter == "weight" else { return nil }
    let module = PEFTTensorName.module(of: path)
    return Self.outerNames[module] != nil || self.name(of: module) != nil ? module : nil
  }

  /// PEFT's path and the parameter of a tensor that replaces one of the base; nil for other names.
  func whole(_ name: String) -> (path: String, parameter: String)? {
    if name == "output_norm.weight" { return ("model.norm", "weight") }
    if let (module, _) = Self.outerNames.first(where: { name == $0.value + ".weight" }) {
      return (Self.path(of: module), "weight")
    }
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count == 4, parts[0] == "blk", let layer = Self.number(parts[1]),
      parts[3] == "weight" || parts[3] == "bias", let inner = family.path(ofGGUF: String(parts[2]))
    else { return nil }
    return ("model.layers.\(layer).\(inner)", String(parts[3]))
  }

  /// PEFT's path of a module: `model.layers.3.self_attn.q_proj`.
  static func path(of module: String) -> String { module == "lm_head" ? module : "model." + module }

  private static func number(_ text: Substring) -> Int? {
    guard (1...9).contains(text.utf8.count), text.utf8.allSatisfy({ (0x30...0x39).contains($0) }),
      text == "0" || !text.hasPrefix("0")
    else { return nil }
    return Int(text)
  }

  /// Heads of a module whose rows GGUF keeps in another order; nil for all others.
  private func permutedHeads(_ module: String) -> Int? {
    guard family.pairsAreAdjacentInGGUF else { return nil }
    if module.hasSuffix(".self_attn.q_proj") { return base.headCount }
    return module.hasSuffix(".self_attn.k_proj") ? base.keyValueHeadCount : nil
  }

  /// Whether a module's rows can be divided over its heads.
  func rowsFit(_ module: String, _ rows: Int) -> Bool {
    permutedHeads(module).map { rows.isMultiple(of: 2 * $0) } ?? true
  }

  /// B with its rows in GGUF's order: rotary pairs of Llama, halves of a head in Hugging Face's files, lie together in
  /// GGUF's.
  func toGGUF(_ b: Tensor, module: String) -> Tensor {
    guard let heads = permutedHeads(module) else { return b }
    let half = b.shape[0] / heads / 2
    return b.reorderingRows { row in
      let (head, place) = row.quotientAndRemainder(dividingBy: 2 * half)
      return head * 2 * half + place % 2 * half + place / 2
    }
  }

  /// B with its rows in Hugging Face's order.
  func fromGGUF(_ b: Tensor, module: String) -> Tensor {
    guard let heads = permutedHeads(module) else { return b }
    let half = b.shape[0] / heads / 2
    return b.reorderingRows { row in
      let (head, place) = row.quotientAndRemainder(dividingBy: 2 * half)
      return head * 2 * half + place % half * 2 + place / half
    }
  }
  /// A tensor that replaces one of the base, as a checkpoint stores it.
  func wholeFromGGUF(_ tensor: Tensor, path: String) -> Tensor {
    let module = PEFTTensorName.module(of: path)
    if permutedHeads(module) != nil, let rows = tensor.shape.first, rows > 0, rowsFit(module, rows) {
      func shaped(_ tensor: Tensor, _ shape: [Int]) -> Tensor {
        Tensor(
          name: tensor.name, elementType: tensor.elementType, shape: shape, storage: tensor.storage,
          byteRange: tensor.byteRange)
      }
      let matrix = shaped(tensor, [rows, tensor.elementCount / rows])
      return shaped(fromGGUF(matrix, module: module), tensor.shape)
    }
    guard family.normOffset != 0, module.hasSuffix("norm") else { return tensor }
    return Tensor(
      name: tensor.name, shape: tensor.shape, floats: tensor.floats().map { $0 - family.normOffset })
  }
}
