import Dispatch
import ModelFiles

/// Reads the weights of a model layer by layer, shortly before one forward pass needs them, and frees each layer's
/// memory after it.
///
/// The pass then needs memory for a few layers, and uses the same memory again. New memory costs more processor time
/// than the whole pass, most of all in a virtual machine.
struct LayerWindow {
  /// A part of a file.
  private typealias Part = (file: MappedFile, range: Range<Int>)

  /// Several threads read neighbouring blocks. Smaller blocks disturb the system's own reading ahead.
  private static let blockByteCount = 32 << 20
  /// The most bytes that are read ahead of the pass; the next layer is read in any case.
  private static let aheadByteCount = 256 << 20

  /// The layers' parts, and those of the head at the end.
  private let stages: [[Part]]
  private let loaded: [DispatchGroup]
  /// Enough threads to keep a disk busy.
  private let queues = (0..<4).map { DispatchQueue(label: "tina merge read \($0)") }
  private let dropping = DispatchQueue(label: "tina merge drop")
  private var turn = 0
  /// Stages that were asked for.
  private var begun = 0

  /// Begins to read the first layers.
  ///
  /// Drops the files from the system's cache first, so that everything comes from the disk.
  init(_ directory: StoredModel) {
    for file in directory.weights.mappedFiles {
      file.drop(0..<file.byteCount)
      file.expectScatteredReads()
    }
    let layers = directory.config.layerCount
    let head = directory.config.tieWordEmbeddings ? "model.embed_tokens.weight" : "lm_head.weight"
    var stages = [[Part]](repeating: [], count: layers + 1)
    for (name, tensor) in directory.weights.tensors {
      guard let file = tensor.file else { continue }
      let range = tensor.byteRange
      if name == head {
        stages[layers].append((file, range))
      } else if let layer = Self.layer(name), layer < layers {
        stages[layer].append((file, range))
      }
    }
    self.stages = stages.map { Self.joined($0) }
    loaded = stages.map { _ in DispatchGroup() }
    begin(for: 0)
  }

  /// Waits for a layer (or the head, the last) and gives the one before back.
  mutating func enter(_ stage: Int) {
    if stage > 0 { for (file, range) in stages[stage - 1] { dropping.async { file.drop(range) } } }
    begin(for: stage)
    loaded[stage].wait()
    if stage == stages.count - 1 { begun = 0 }  // another pass begins anew
  }

  /// Waits for everything that was begun: no thread may read a file that is given up.
  func finish() {
    for group in loaded { group.wait() }
    dropping.sync {}
  }

  private mutating func begin(for stage: Int) {
    var ahead = stages[stage..<max(stage, begun)].reduce(0) { $0 + Self.byteCount($1) }
    while begun < stages.count, begun <= stage + 1 || ahead < Self.aheadByteCount {
      for (file, range) in stages[begun] {
        for start in stride(from: range.lowerBound, to: range.upperBound, by: Self.blockByteCount) {
          let block = start..<min(start + Self.blockByteCount, range.upperBound)
          queues[turn % queues.count].async(group: loaded[begun]) { file.load(block) }
          turn += 1
        }
      }
      ahead += Self.byteCount(stages[begun])
      begun += 1
    }
  }

  private static func byteCount(_ parts: [Part]) -> Int { parts.reduce(0) { $0 + $1.range.count } }

  /// 7 of `model.layers.7.mlp.up_proj.weight`.
  private static func layer(_ name: String) -> Int? {
    guard name.hasPrefix("model.layers.") else { return nil }
    return name.split(separator: ".").dropFirst(2).first.flatMap { Int($0) }
  }

  /// The same with what lies side by side in one.
  private static func joined(_ parts: [Part]) -> [Part] {
    var joined: [Part] = []
    for part in parts.sorted(by: { ($0.file.path, $0.range.lowerBound) < ($1.file.path, $1.range.lowerBound) }
    ) {
      if let last = joined.last, last.file === part.file, part.range.lowerBound - last.range.upperBound < 4096
      {
        joined[joined.count - 1].range =
          last.range.lowerBound..<max(last.range.upperBound, part.range.upperBound)
      } else {
        joined.append(part)
      }
    }
    return joined
  }
}
