import ModelFiles

/// The rules of the format, by the names that `spec/tina-format.md` §13 gives them.
public enum TinaRule: String, Sendable, CaseIterable {
  /// The file does not begin with the signature.
  case signature
  /// An unknown major version.
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
  /// An unknown critical section.
  case sectionUnknown = "section-unknown"
  /// Sections out of order.
  case sectionOrder = "section-order"
  /// A section is missing.
  case sectionMissing = "section-missing"
  /// An unknown codec.
  case codec
  /// A padding byte or bit is not zero.
  case padding
  /// A section is not what its digest says.
  case sectionDigest = "section-digest"
  /// The metadata are not strict JSON, or a known member has the wrong type.
  case metadata
  /// The directory ends early or late.
  case directory
  /// Layers contradict each other or the request.
  case layers
  /// An unknown kind of entry, or another number of tensors.
  case kind
  /// A name that is empty, ill-formed or holds control characters.
  case name
  /// Entries not strictly ascending.
  case order
  /// An impossible scale or alpha.
  case scale
  /// An impossible shape, or one that contradicts its pair.
  case shape
  /// An unknown element type, or not that of the block.
  case element
  /// A block of unknown form, without tensors, or out of place.
  case block
  /// A stream of the wrong length.
  case stream
  /// An unknown arrangement, or one that is not allowed.
  case arrangement
  /// An unknown predictor, or one that is not allowed.
  case predictor
  /// A stated error that is negative or not finite.
  case error
  /// Attributes that are not a strict JSON object.
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

  /// The advice for a file that breaks it.
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

/// A broken rule, of a file that is not named yet; or a limit of this reader, which a valid file may exceed.
struct TinaFault: Error {
  /// The rule; nil if the file breaks none.
  let rule: TinaRule?
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

  /// What a valid file has more of than this reader takes.
  init(beyondReader place: String, found: String, expected: String) {
    rule = nil
    self.place = place
    self.found = found
    self.expected = expected
    advice = "The file breaks no rule of the format: it holds more than Tina reads."
  }

  /// What is wrong with a text of JSON in a file.
  init(_ rule: TinaRule, _ place: String, _ error: ModelFilesError) {
    if error.kind == .beyondReader {
      self.init(beyondReader: place, found: error.found, expected: error.expected)
    } else {
      self.init(rule, place, found: error.found, expected: error.expected)
    }
  }

  func violation(file: String) -> AdapterError.Violation {
    .init(
      rule.map { .tina($0) } ?? .beyondReader, file: file, place: place, found: found, expected: expected,
      advice: advice ?? rule?.advice ?? "")
  }

  func error(file: String) -> AdapterError {
    AdapterError(path: file, violations: [violation(file: file)])
  }
}
