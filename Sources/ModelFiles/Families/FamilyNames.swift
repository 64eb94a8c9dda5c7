/// What a family's files call things, and what GGUF stores otherwise, without a model at hand.
package struct FamilyNames: Sendable {
  /// `general.architecture` of its GGUF files.
  package let gguf: String
  /// Whether GGUF holds the rows of q and k with rotary pairs beside each other.
  package let pairsAreAdjacentInGGUF: Bool
  /// What GGUF adds to a checkpoint's norms.
  package let normOffset: Float
  /// Whether its head is the embedding where a configuration does not tell.
  package let isTiedByDefault: Bool
  /// The modules of a layer.
  private let modules: [ModuleName]

  /// GGUF's names of all families.
  package static let all = Families.all.map { $0.name }

  /// - Parameter name: GGUF's name of a family, or the `model_type` of its checkpoints; nil for one that is not known.
  package init?(_ name: String) {
    let family = Families.all.first { $0.name == name || $0.modelTypes.contains(name) }
    guard let family else { return nil }
    gguf = family.name
    pairsAreAdjacentInGGUF = family.pairsAreAdjacentInGGUF
    normOffset = family.normOffset
    isTiedByDefault = family.isTiedByDefault
    modules =
      Array(family.norms.values) + Projection.allCases.map { ModuleName($0.path, gguf: $0.ggufName) }
  }

  /// GGUF's name of a module in a layer: `attn_q` of `self_attn.q_proj`.
  package func ggufName(inLayer path: String) -> String? { modules.first { $0.checkpoint == path }?.gguf }

  /// The checkpoint's name of a module in a layer: `self_attn.q_proj` of `attn_q`.
  package func path(ofGGUF name: String) -> String? { modules.first { $0.gguf == name }?.checkpoint }
}
