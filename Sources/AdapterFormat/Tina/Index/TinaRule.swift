import ModelFiles

/// The rules of the format, by the names that `spec/tina-format.md` §13 gives them.
public enum TinaRule: String, Sendable, CaseIterable {
  /// The file does not begin with the signature.
  case signature
  /// A major version that is not known.
  case version
  /// Bytes are missing at the end.
  case truncated
  /// Bytes follow the end.
  case trailing
  /// The header is not what its digest says.
  case headerDigest = "header-digest"
  /// A reserved field is not zero.
  case reserved
  /// A number exceeds the format's limits.
  case limit
  /// Offsets and lengths contradict each other.
  case layout
  /// The section table is not what its digest says.
  case tableDigest = "table-digest"
  /// A section's type is not four letters, the third in upper case.
  case sectionType = "section-type"
  /// Two sections of one type.
  case sectionDuplicate = "section-duplicate"
  /// A critical section that is not known.
  case sectionUnknown = "section-unknown"
  /// Sections out of order.
  case sectionOrder = "section-order"
  /// A section is missing.
  case sectionMissing = "section-missing"
  /// A codec that is not known.
  case codec
  /// A padding byte or bit is not zero.
  case padding
  /// A section is not what its digest says.
  case sectionDigest = "section-digest"
  /// The metadata are no strict JSON, or a known member has the wrong type.
  case metadata
  /// The directory ends early or late.
  case directory
  /// Layers contradict each other or the request.
  case layers
  /// A kind of entry that is not known, or its number of tensors.
  case kind
  /// A name that is empty, ill-formed or holds control characters.
  case name
  /// Entries not strictly ascending.
  case order
  /// A scale or alpha that cannot be.
  case scale
  /// A shape that cannot be, or contradicts its pair.
  case shape
  /// An element type that is not known, or not that of its block.
  case element
  /// A block of unknown form, without tensors, or out of place.
  case block
  /// A stream of the wrong length.
  case stream
  /// An arrangement that is not known or not allowed.
  case arrangement
  /// A predictor that is not known or not allowed.
  case predictor
  /// A stated error that is negative or not finite.
  case error
  /// Attributes that are no strict JSON object.
  case attributes
  /// The identity of the base is ill-formed.
  case base
  /// A Zstandard frame that breaks the rules or does not decode.
  case zstd
  /// A tier above 15.
  case tier
  /// A block is not what its digest says.
  case blockDigest = "block-digest"
  /// The decoded content is not what its digest says.
  case contentDigest = "content-digest"
  /// The parent file is missing or does not fit.
  case parent

  /// What to do about a file that breaks it.
  var advice: String {
    switch self {
    case .version, .sectionUnknown, .codec, .kind, .predictor, .arrangement:
      "A newer version of Tina may read it."
    case .truncated: "Download it again."
    case .parent: "Name the parent file too."
    case .layers: "Ask for fewer layers."
    case .limit: ""
    default: "The file is damaged or its writer is at fault: get it again."
    }
  }
}

/// A broken rule before it is known in which file.
struct TinaFault: Error {
  let rule: TinaRule
  let place: String
  let found: String
  let expected: String
  let advice: String?

  init(_ rule: TinaRule, _ place: String, found: String, expected: String, advice: String? = nil) {
    self.rule = rule
    self.place = place
    self.found = found
    self.expected = expected
    self.advice = advice
  }

  func violation(file: String) -> AdapterError.Violation {
    .init(
      .tina(rule), file: file, place: place, found: found, expected: expected, advice: advice ?? rule.advice)
  }

  func error(file: String) -> AdapterError {
    AdapterError(path: file, violations: [violation(file: file)])
  }
}
