import ModelFiles
import Tokenization

/// A smaller model with the base's tokenizer that guesses what the base will draw, such as a quantised copy of it.
/// Whatever it guesses, it changes how long an answer takes and nothing else.
public struct Drafter: Sendable {
  /// The model that guesses.
  public let model: Model
  /// What a person should know about it, one sentence each.
  public let notes: [String]

  /// Takes a drafter whose guesses are checked by whoever uses it.
  init(_ model: Model, notes: [String] = []) {
    self.model = model
    self.notes = notes
  }

  /// Checks that `model` can guess for `base`: every token of the base's has the same number in both.
  ///
  /// - Throws: `RuntimeError.otherTokenizer` for another tokenizer; `TokenizationError` for one that can't be read.
  public init(_ model: Model, for base: Model) throws {
    let (path, basePath) = (model.directory.path, base.directory.path)
    let (own, expected) = (try Tokenizer(directory: path), try Tokenizer(directory: basePath))
    for id in 0..<expected.idCount {
      guard let token = expected.token(id), own.utf8(of: id) != expected.utf8(of: id) else { continue }
      throw RuntimeError.otherTokenizer(
        drafter: path, base: basePath, id: id, found: own.token(id), expected: token)
    }
    let fits = AdapterFit.isAlike(model.config, base.config)
    self.init(
      model,
      notes: fits
        ? []
        : [
          "\(path): its layers are not those of \(basePath), so it guesses without adapters, and is right less "
            + "often where one is attached."
        ])
  }
}
