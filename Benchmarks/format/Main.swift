import AdapterFormat
import CZstd
import Foundation
import ModelFiles

/// Measures the .tina format: `format-benchmark sizes FILE...`, `speed` or `chain [CHECKPOINT...]`.
@main
enum Main {
  static func main() throws {
    let arguments = CommandLine.arguments.dropFirst()
    switch arguments.first {
    case "sizes": try sizes(Array(arguments.dropFirst()))
    case "speed": try speed()
    case "chain": try chain(Array(arguments.dropFirst()))
    default:
      print("usage: format-benchmark sizes FILE... | speed | chain [CHECKPOINT...]")
      exit(64)
    }
  }

  private static let scratch = NSTemporaryDirectory() + "tina-format-benchmark-\(getpid()).tina"

  private static func write(
    _ archive: AdapterArchive, _ options: TinaOptions
  ) throws -> TinaWriter.Summary {
    try TinaWriter.write(archive, to: scratch, options: options)
  }

  private static func size(_ archive: AdapterArchive, _ precision: TinaOptions.Precision) throws -> Int {
    try write(archive, TinaOptions(precision)).byteCount
  }

  private static func text(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }

  // MARK: Sizes

  private static func sizes(_ paths: [String]) throws {
    defer { unsafe unlink(scratch) }
    print(
      "| adapter | parameters | F32 exact | zstd -19 | BF16 exact | 1e-3 | 2.3e-3 | 1e-2 | 5e-2 | first layer of 1e-2 |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    var columns = [[Double]](repeating: [], count: 8)
    for path in paths {
      guard let archive = try? Source.pairs(path: path) else {
        print("\(path) is no safetensors file")
        continue
      }
      let count = Double(archive.parameterCount)
      guard archive.entries.contains(where: { $0.pair.map { LowRankAlgebra.norm($0) > 0 } ?? false }) else {
        continue
      }
      let half = Source.bfloat16(archive)
      let zstd = try zstandard(path)
      func bits(_ bytes: Int) -> Double { Double(bytes) * 8 / count }
      let standard = try write(archive, TinaOptions(.standard))
      let values = [
        Double(try size(archive, .exact)) / Double(archive.rawByteCount), zstd,
        Double(try size(half, .exact)) / Double(half.rawByteCount),
        bits(try size(archive, .maxError(1e-3))), bits(try size(archive, .fine)), bits(standard.byteCount),
        bits(try size(archive, .small)), bits(standard.layers[0].end),
      ]
      for (i, value) in values.enumerated() { columns[i].append(value) }
      let parts = path.split(separator: "/").suffix(2).joined(separator: "/")
      print(row(parts, text(count / 1e6, 2) + " M", values))
    }
    print(
      row(
        "**median**", "",
        columns.map { column in
          let sorted = column.sorted()
          return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
        }))
  }

  private static func row(_ name: String, _ count: String, _ values: [Double]) -> String {
    let texts = values.enumerated().map { text($1, $0 < 3 ? 3 : 2) }
    return "| " + ([name, count] + texts).joined(separator: " | ") + " |"
  }

  /// What `zstd -19` makes of the file, relative to it.
  private static func zstandard(_ path: String) throws -> Double {
    let data = try Data(contentsOf: URL(fileURLWithPath: path))
    let bound = ZSTD_compressBound(data.count)
    var out = [UInt8](repeating: 0, count: bound)
    let size = unsafe data.withUnsafeBytes { source in
      unsafe ZSTD_compress(&out, bound, source.baseAddress, source.count, 19)
    }
    return Double(size) / Double(data.count)
  }

  // MARK: Speed

  private static func seconds(_ repeats: Int = 5, _ body: () throws -> Void) rethrows -> Double {
    var best = Double.infinity
    for _ in 0..<repeats {
      let start = DispatchTime.now().uptimeNanoseconds
      try body()
      best = min(best, Double(DispatchTime.now().uptimeNanoseconds - start) * 1e-9)
    }
    return best
  }

  private static func speed() throws {
    defer { unsafe unlink(scratch) }
    let single = Source.tina()
    for (name, archive) in [("f32", single), ("bf16", Source.bfloat16(single))] {
      let raw = Double(archive.rawByteCount)
      var summary: TinaWriter.Summary?
      let writing = try seconds(2) { summary = try write(archive, TinaOptions()) }
      let ratio = Double(summary?.byteCount ?? 0) / raw
      let decoding = try seconds { _ = try TinaFile(path: scratch).archive() }
      print(
        "\(name): exact \(text(ratio, 4)) of \(text(raw / 1e6, 1)) MB; write \(text(writing, 2)) s;"
          + " decode \(text(raw / decoding / 1e9, 2)) GB/s")
      var options = TinaOptions()
      options.isPlain = true
      _ = try write(archive, options)
      let opening = try seconds(20) { _ = try TinaFile(path: scratch).archive() }
      print("\(name): open a plain file, every tensor in hand, none touched: \(text(opening * 1e3, 2)) ms")
    }
    for (name, precision) in [
      ("fine", TinaOptions.Precision.fine), ("standard", .standard), ("small", .small),
    ] {
      var summary: TinaWriter.Summary?
      let writing = try seconds(1) { summary = try write(single, TinaOptions(precision)) }
      let decoding = try seconds(3) { _ = try TinaFile(path: scratch).archive() }
      let bits = Double((summary?.byteCount ?? 0) * 8) / Double(single.parameterCount)
      print(
        "\(name): \(text(bits, 2)) bits per parameter; write \(text(writing, 2)) s;"
          + " decode \(text(Double(single.rawByteCount) / decoding / 1e9, 2)) GB/s of F32")
    }
  }

  // MARK: A chain of checkpoints

  /// A chain of simulated checkpoints, or of the checkpoints of a run: `.tina` files in the order of their steps.
  private static func chain(_ paths: [String], seed: UInt64 = 42) throws {
    let folder = NSTemporaryDirectory() + "tina-format-benchmark-\(getpid())"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let files = try paths.map { try TinaFile(path: $0) }
    let run = try paths.isEmpty ? Source.checkpoints(count: 10, every: 50) : files.map { try $0.archive() }
    for (name, convert) in [("f32", { $0 }), ("bf16", Source.bfloat16)]
      as [(String, (AdapterArchive) -> AdapterArchive)]
    {
      var (alone, linked) = (0, 0)
      var parents: [String] = []
      for (step, checkpoint) in run.enumerated() {
        let archive = convert(checkpoint)
        let lone = try TinaWriter.write(archive, to: scratch)
        alone += lone.byteCount
        var options = TinaOptions()
        if let last = parents.last {
          options.parent = try TinaFile(path: last, parents: parents)
        } else {
          options.seed = seed
        }
        let path = folder + "/\(name)-\(step).tina"
        let child = try TinaWriter.write(archive, to: path, options: options)
        parents.append(path)
        linked += child.byteCount
        let back = try TinaFile(path: path, parents: parents)
        guard back.contentDigest == lone.contentDigest else { fatalError("the chain changed the content") }
      }
      print(
        "\(name): \(run.count) checkpoints linked take \(text(Double(linked) / Double(alone), 3)) of the same alone"
      )
    }
    unsafe unlink(scratch)
  }
}
