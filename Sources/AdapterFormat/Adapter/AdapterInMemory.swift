import ModelFiles

extension Adapter {
  /// An adapter in training, with its matrices in memory.
  ///
  /// - Parameters:
  ///   - name: its name in messages.
  ///   - modules: its pairs, complete and of matching shapes.
  package init(name: String, modules: [AdapterModule]) {
    path = name
    self.modules = modules
    saved = []
    tiesWeights = false
    entries = modules.map {
      AdapterEntry(module: $0.name, path: "", content: $0.isTable ? .embedding($0.pair) : .lowRank($0.pair))
    }
    baseModelName = nil
    base = nil
    zeroReason = modules.zeroReason
    targetModules = []
    configuration = JSONObject([])
    notes = []
  }
}
