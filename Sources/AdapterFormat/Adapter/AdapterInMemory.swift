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
    baseModelName = nil
    base = nil
    isZero = modules.allSatisfy { $0.scale == 0 || $0.b.isZero }
    targetModules = []
    configuration = JSONObject([])
    notes = []
  }
}
