import AdapterFormat
import ModelFiles
import Support
import TinaRuntime
import Tokenization
import Transfer

/// What a server must be for its tokens and log-probabilities to be this process's, bit for bit.
struct ServerRequirements: Sendable {
  let activations: String
  let cacheType: String
  let baseDigest: String
  let vocabulary: Int
  let endTokens: [Int]
  let context: Int
  let samples: Int

  init(_ recipe: Recipe, _ model: Model, _ base: BaseIdentity, cacheType: CacheType) throws {
    activations = model.activations.rawValue
    self.cacheType = cacheType.rawValue
    baseDigest = base.digestText
    vocabulary = try Tokenizer(directory: model.directory.path).idCount
    endTokens = model.endTokens.sorted()
    context = min(recipe.maxPromptLength + recipe.maxCompletionLength, model.config.maxPositions)
    samples = max(recipe.generations, recipe.heldOutPath == nil ? 1 : recipe.evalSamples)
  }

  /// In what a server differs, each with both values; empty for one that gives the same bits.
  func differences(_ server: ServerDescription) -> [(found: String, expected: String)] {
    var all: [(found: String, expected: String)] = []
    func compare<Value: Equatable>(_ name: String, _ found: Value, _ expected: Value) {
      if found != expected { all.append(("\(name) \(found)", "\(expected)")) }
    }
    compare("version", server.version, tinaVersion)
    compare("activations", server.activations, activations)
    compare("cache type", server.cacheType, cacheType)
    compare("base", server.baseDigest, baseDigest)
    compare("tokenizer with a vocabulary of", server.vocabulary, vocabulary)
    compare("end tokens", server.endTokens, endTokens)
    if server.isMerged { all.append(("a base with an adapter merged into it", "the base")) }
    if server.context < context {
      all.append(("a context of \(server.context) tokens", "\(context) or more (--context)"))
    }
    if server.maxSamples < samples {
      all.append(("\(server.maxSamples) samples a request", "\(samples) or more (--max-samples)"))
    }
    if !server.takesAdapters {
      all.append(("a server that takes no adapters", "one that was started with --accept-adapters"))
    }
    return all
  }
}
