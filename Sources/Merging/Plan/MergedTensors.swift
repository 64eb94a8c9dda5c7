import AdapterFormat
import ModelFiles
import TinaRuntime

/// What adapters make of a base's tensors: which of them grow by a sum, and which are replaced.
struct MergedTensors: Sendable {
  static let headName = "lm_head.weight"
  static let tableName = "model.embed_tokens.weight"

  /// By the checkpoint's name of the weight.
  private(set) var sums: [String: LowRankSum] = [:]
  /// By the checkpoint's name, which the tensors bear.
  private(set) var replaced: [String: Tensor] = [:]
  /// Whether the merged head is the embedding.
  let isTied: Bool
  /// The head of a base that was tied and is no longer; nil otherwise.
  private(set) var newHead: Tensor?

  /// - Precondition: with several adapters, all are sums of pairs alone.
  init(_ adapters: [AttachedAdapter] = [], into base: StoredModel) {
    let wasTied = base.config.tieWordEmbeddings
    isTied = wasTied && !adapters.contains { $0.adapter.separatesTables(isTied: true) }
    for attached in adapters {
      for module in attached.adapter.modules(isTied: wasTied) {
        var pair = module.pair
        // The rows of a table are tokens.
        if module.isTable { (pair.a, pair.b) = (module.b.transposed(), module.a.transposed()) }
        pair.scale *= attached.scale
        let name = Self.weightName(module.name)
        var sum = sums[name] ?? LowRankSum(module: module.name)
        sum.terms.append(pair)
        if let magnitude = module.magnitude { sum.magnitudes = magnitude.floats() }
        sums[name] = sum
      }
      for parameter in attached.adapter.saved(isTied: wasTied) {
        let name = parameter.checkpointName
        replaced[name] = parameter.tensor.renamed(name)
      }
    }
    if wasTied, !isTied {
      newHead = replaced[Self.headName] ?? base.weights[Self.tableName]?.renamed(Self.headName)
    }
  }

  /// The checkpoint's name of a module's weight.
  private static func weightName(_ module: String) -> String {
    module == "lm_head" ? headName : "model." + module + ".weight"
  }
}
