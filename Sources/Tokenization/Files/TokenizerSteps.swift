import ModelFiles
import Support

/// Reads the steps of a `tokenizer.json`: what comes before the model, and after it. What is not known is refused.
struct TokenizerSteps {
  let path: String

  private func refuse(_ place: String, _ found: String, _ expected: String) -> TokenizationError {
    .unsupported(file: path, place: place, found: found, expected: expected)
  }

  /// The steps of a component: itself, or the members of its Sequence.
  private func steps(_ value: JSONValue?, _ list: String) -> [JSONObject] {
    guard let object = value?.object else { return [] }
    guard object["type"]?.word == "Sequence" else { return [object] }
    return (object[list]?.array ?? []).compactMap(\.object)
  }

  private func names(_ steps: [JSONObject]) -> [String] { steps.map { $0["type"]?.word ?? "?" } }

  private func isMark(_ value: JSONValue?) -> Bool {
    value?.string?.utf8.elementsEqual(Metaspace.mark) ?? false
  }

  private func isSpace(_ value: JSONValue?) -> Bool { value?.word == " " }

  // MARK: Decoder

  /// How tokens are spelled.
  func spelling(_ value: JSONValue?) throws -> TokenSpelling {
    let steps = steps(value, "decoders")
    let names = names(steps)
    if names == ["ByteLevel"] { return .byteLevel }
    let metaspace = ["Replace", "ByteFallback", "Fuse"]
    guard names == metaspace || names == metaspace + ["Strip"] else {
      throw refuse(
        "decoder", names.isEmpty ? "none" : names.joined(separator: ", "),
        "ByteLevel, or Replace, ByteFallback, Fuse and perhaps Strip")
    }
    guard isMark(steps[0]["pattern"]?.object?["String"]), isSpace(steps[0]["content"]) else {
      throw refuse("decoder: Replace", JSONValue.object(steps[0]).summary, "\"▁\" replaced by a space")
    }
    guard steps.count == 4 else { return .metaspace(dropsFirstSpace: false) }
    guard isSpace(steps[3]["content"]), steps[3]["start"]?.int == 1, steps[3]["stop"]?.int == 0 else {
      throw refuse("decoder: Strip", JSONValue.object(steps[3]).summary, "one space at the beginning")
    }
    return .metaspace(dropsFirstSpace: true)
  }

  // MARK: Normalizer

  func normalizer(_ value: JSONValue?, _ unit: FirstTokens.Unit) throws -> Normalizer {
    let steps = steps(value, "normalizers")
    let names = names(steps)
    if names.isEmpty { return .none }
    guard unit == .scalars else {
      guard names.allSatisfy({ $0 == "NFC" }) else {
        throw refuse("normalizer", names.joined(separator: ", "), "NFC or none")
      }
      return .nfc
    }
    guard names == ["Replace"] || names == ["Prepend", "Replace"], let replace = steps.last else {
      throw refuse("normalizer", names.joined(separator: ", "), "Replace, or Prepend and Replace")
    }
    guard isSpace(replace["pattern"]?.object?["String"]), isMark(replace["content"]) else {
      throw refuse("normalizer: Replace", JSONValue.object(replace).summary, "a space replaced by \"▁\"")
    }
    guard names.count == 2 else { return .metaspace(.never) }
    guard isMark(steps[0]["prepend"]) else {
      throw refuse("normalizer: Prepend", steps[0]["prepend"]?.summary ?? "nothing", "\"▁\"")
    }
    return .metaspace(.always)
  }

  // MARK: Pre-tokenizer

  /// How a text is cut, and where `▁` is written when it is.
  func splitting(
    _ value: JSONValue?, _ unit: FirstTokens.Unit, _ normalizer: Normalizer
  ) throws -> (PreTokenizer, Metaspace.Prefix?) {
    let steps = steps(value, "pretokenizers")
    if unit == .bytes { return (try byteLevel(steps), nil) }
    let names = names(steps)
    switch (names, normalizer) {
    case ([], .metaspace): return (.whole, nil)
    case (["Metaspace"], .none):
      let marking = try metaspace(steps[0])
      return (marking.splits ? .marks : .whole, marking.prefix)
    case (["Split"], .metaspace):
      // Gemma's: no space is left to split at.
      guard isSpace(steps[0]["pattern"]?.object?["String"]), steps[0]["invert"]?.bool != true else {
        throw refuse("pre_tokenizer: Split", JSONValue.object(steps[0]).summary, "at spaces")
      }
      return (.whole, nil)
    default:
      throw refuse(
        "pre_tokenizer", names.isEmpty ? "none" : names.joined(separator: ", "),
        "Metaspace, or a normalizer that writes \"▁\" for spaces")
    }
  }

  private func metaspace(_ step: JSONObject) throws -> (prefix: Metaspace.Prefix, splits: Bool) {
    guard isMark(step["replacement"]) else {
      throw refuse("pre_tokenizer: replacement", step["replacement"]?.summary ?? "nothing", "\"▁\"")
    }
    let scheme = step["prepend_scheme"]?.word ?? "always"
    let prefix: Metaspace.Prefix
    switch (scheme, step["add_prefix_space"]?.bool ?? true) {
    case ("always", true): prefix = .unlessThere
    case ("first", true): prefix = .unlessThereAtStart
    case ("never", _), ("first", false): prefix = .never
    default:
      throw refuse(
        "pre_tokenizer: prepend_scheme", quoted(scheme), "\"always\", \"first\" or \"never\"")
    }
    return (prefix, step["split"]?.bool ?? true)
  }

  private func byteLevel(_ steps: [JSONObject]) throws -> PreTokenizer {
    let names = names(steps)
    guard let last = steps.last, names.last == "ByteLevel" else {
      throw refuse("pre_tokenizer", names.joined(separator: ", "), "ByteLevel at the end")
    }
    guard last["add_prefix_space"]?.bool == false else {
      throw refuse("pre_tokenizer: add_prefix_space", last["add_prefix_space"]?.summary ?? "nothing", "false")
    }
    let usesExpression = last["use_regex"]?.bool ?? true
    switch names {
    case ["ByteLevel"]:
      try checkFlag(usesExpression, true)
      return .gpt2
    case ["Digits", "ByteLevel"]:
      guard steps[0]["individual_digits"]?.bool == true else {
        throw refuse(
          "pre_tokenizer: individual_digits", steps[0]["individual_digits"]?.summary ?? "nothing", "true")
      }
      try checkFlag(usesExpression, true)
      return .numbersThenGPT2
    case ["Split", "ByteLevel"]:
      let expression = steps[0]["pattern"]?.object?["Regex"]?.string ?? "none"
      guard let known = PreTokenizer.expressions.first(where: { $0.text.isSame(as: expression) }) else {
        throw refuse("pre_tokenizer: pattern", quoted(expression), "Qwen2's or Llama 3's")
      }
      guard steps[0]["behavior"]?.word == "Isolated", steps[0]["invert"]?.bool != true else {
        throw refuse(
          "pre_tokenizer: behavior", steps[0]["behavior"]?.summary ?? "none", "Isolated, not inverted")
      }
      try checkFlag(usesExpression, false)
      return known.splitting
    default:
      throw refuse(
        "pre_tokenizer", names.joined(separator: ", "),
        "ByteLevel, Digits and ByteLevel, or Split and ByteLevel")
    }
  }

  private func checkFlag(_ found: Bool, _ expected: Bool) throws {
    guard found == expected else { throw refuse("pre_tokenizer: use_regex", "\(found)", "\(expected)") }
  }

  // MARK: Post-processor

  /// The ids that come before and after every text.
  func ends(_ value: JSONValue?) throws -> (prefix: [Int], suffix: [Int]) {
    var ends: (prefix: [Int], suffix: [Int]) = ([], [])
    for step in steps(value, "processors") {
      switch step["type"]?.word {
      case "ByteLevel": continue  // it only moves offsets
      case "TemplateProcessing": try readTemplate(step, &ends)
      default:
        throw refuse(
          "post_processor", step["type"]?.summary ?? "no type", "TemplateProcessing, ByteLevel or none")
      }
    }
    return ends
  }

  private func readTemplate(_ step: JSONObject, _ ends: inout (prefix: [Int], suffix: [Int])) throws {
    var isBefore = true
    var sequences = 0
    for piece in step["single"]?.array ?? [] {
      if piece.object?["Sequence"] != nil {
        isBefore = false
        sequences += 1
      } else if let name = piece.object?["SpecialToken"]?.object?["id"]?.string {
        let ids = step["special_tokens"]?.object?[name]?.object?["ids"]?.array?.compactMap(\.int) ?? []
        guard !ids.isEmpty else {
          throw refuse("post_processor: special_tokens", "no ids for \(quoted(name))", "its ids")
        }
        if isBefore { ends.prefix += ids } else { ends.suffix += ids }
      } else {
        throw refuse("post_processor: single", piece.summary, "Sequence or SpecialToken")
      }
    }
    guard sequences == 1 else {
      throw refuse("post_processor: single", "\(sequences) sequences", "exactly 1")
    }
  }
}
