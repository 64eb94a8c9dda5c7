import ModelFiles
import TinaRuntime
import Tokenization

/// The short texts on which merged and attached form are compared.
struct LogitProbes: Sendable {
  /// The default texts: a problem with its reasoning, and prose.
  static let texts = [
    "What is 12 + 3? <think>\n12 + 3 = 15.",
    "The capital of France is Paris.",
  ]

  /// The texts and their tokens; a text is empty if the model has no tokenizer and the ids are made up,
  /// one for two bytes.
  let all: [(text: String, ids: [Int])]
}

extension LogitProbes {
  /// - Parameters:
  ///   - model: the model, whose tokenizer encodes the texts.
  ///   - texts: the texts; ``texts`` if empty.
  init(_ model: Model, texts: [String]) {
    let texts = texts.isEmpty ? Self.texts : texts
    let vocabulary = model.config.vocabSize
    if let tokenizer = try? Tokenizer(directory: model.directory.path) {
      all = texts.map { ($0, tokenizer.encode($0).filter { $0 < vocabulary }) }.filter { !$0.1.isEmpty }
    } else {
      all = texts.enumerated().map { i, text in
        ("", (0..<(text.utf8.count + 1) / 2).map { (i * 7919 + $0 * 104_729 + 17) % vocabulary })
      }
    }
  }

  /// The logits of every position, one probe behind the other. Short probes take one pass over the weights.
  ///
  /// - Parameter entering: called with each layer before its weights are read.
  func logits(
    _ model: Model, _ adapter: AttachedAdapter? = nil, entering: (Int) -> Void = { _ in }
  ) throws -> [Float] {
    // Keys and values are float32, so that only the weights differ.
    try Engine(model: model, cacheType: .f32).logits(
      sequences: all.map(\.ids), adapter: adapter, chunk: 128, entering: entering)
  }
}
