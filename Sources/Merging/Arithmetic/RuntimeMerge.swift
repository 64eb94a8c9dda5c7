import AdapterFormat
public import ModelFiles
import Support
public import TinaRuntime

/// A model with adapters added to its weights in memory, for running: nothing is written.
///
/// The usual way is to attach an adapter, which is exact and shared with other requests. Merging saves a few per cent
/// of time, and costs memory for every changed module. In bf16 or f16, rounding takes part of the change: see
/// ``modules``.
public struct RuntimeMerge: Sendable {
  /// The merged model. Adapters attached to the base can't be used with it.
  public let model: Model
  /// What the changed modules are stored as.
  public let elementType: ElementType
  /// What became of each module's change.
  public let modules: [ModuleMeasure]
  /// Bytes of the changed weights in memory.
  public let byteCount: Int

  /// Merges; weights that no adapter changes stay in the base's files.
  ///
  /// - Parameters:
  ///   - adapters: attached to `base`.
  ///   - base: the model; it may go on being used.
  ///   - elementType: F32, F16 or BF16.
  ///   - acceptsLoss: whether a merge is wanted in which less than half of the change survives somewhere.
  /// - Throws: ``MergeError`` for a type that is none of those, numbers that it can't hold, and a change that it
  ///   would lose; `RuntimeError` where memory does not suffice for the model's threads.
  public init(
    _ adapters: [AttachedAdapter], into base: Model, elementType: ElementType, acceptsLoss: Bool = false
  ) throws {
    guard elementType.readsAsFloats else {
      throw MergeError.invalidSetting(
        name: "merged type", found: elementType.rawValue, expected: "f32, f16 or bf16")
    }
    try Merge.checkSum(adapters)
    let changes = MergedTensors(adapters, into: base.directory)
    var planned: [PlannedTensor] = []
    var offset = 0
    let weights = base.directory.weights.replacing(changes.newHead.map { [$0.name: $0] } ?? [:])
    for weight in weights.tensors.values.sorted(by: { $0.name < $1.name }) {
      let (sum, replaced) = (changes.sums[weight.name], changes.replaced[weight.name])
      guard sum != nil || replaced != nil || weight.name == changes.newHead?.name else { continue }
      planned.append(
        PlannedTensor(source: replaced ?? weight, type: elementType, offset: offset, sum: sum))
      // Kernels like rows that begin at a multiple of 64.
      offset += (planned[planned.count - 1].byteCount + 63) / 64 * 64
    }
    let file = PlannedFile(name: "memory", header: [], tensors: planned, byteCount: offset)
    let writer = ShardWriter(file: file, settings: MergeSettings(), threads: base.threads, onBytes: { _ in })
    var measures: [ModuleMeasure] = []
    let memory = try unsafe OwnedBytes(byteCount: offset) { target in
      for tensor in planned {
        let end = tensor.offset + tensor.byteCount
        for i in end..<(end + 63) / 64 * 64 { unsafe target[i] = 0 }
      }
      measures = try writer.write(to: unsafe MemorySink(target))
    }
    try base.checkFiles()
    guard acceptsLoss || measures.lost.isEmpty else {
      throw MergeError.lostInMemory(modules: measures.lost, type: elementType.rawValue)
    }
    var merged: [String: Tensor] = [:]
    for tensor in planned {
      merged[tensor.source.name] = Tensor(
        name: tensor.source.name, elementType: elementType, shape: tensor.source.shape,
        storage: .memory(memory),
        byteRange: tensor.offset..<tensor.offset + tensor.byteCount)
    }
    model = try Model(
      base.directory.replacing(merged, isTied: changes.isTied), threads: base.threads,
      activations: base.activationChoice)
    modules = measures
    byteCount = offset
    self.elementType = elementType
  }

  /// All modules as one.
  public var total: ModuleMeasure { modules.total }

  /// One sentence for a person.
  public var summary: String {
    let size = "\(modules.count) modules in \(elementType.rawValue), \(byteText(byteCount)) of memory"
    guard let survived = total.survived, let error = total.error, let worst = modules.worst else {
      return "merged in memory: \(size); the adapters change nothing."
    }
    return "merged in memory: \(size); \(percent(survived)) of the change survived rounding, "
      + "\(percent(worst.survived ?? 0)) at least (\(worst.name)); rounding error \(percent(error)) of the change."
  }
}
