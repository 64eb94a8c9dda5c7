import ModelFiles

extension Adapter {
  /// An adapter whose matrices are in memory: one that is being trained.
  ///
  /// - Parameters:
  ///   - name: what messages call it.
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
