import Foundation
import ModelFiles
import TestSupport
import Testing

@testable import AdapterFormat

@Suite("Adapters stored by result")
struct TinaLayerTests {
  private let directory = TemporaryFolder()
  private var path: String { directory.path + "/a.tina" }

  /// ‖ΔW − ΔW'‖ / ‖ΔW‖ by the full product in double precision.
  private func error(_ x: LowRankPair, _ y: LowRankPair) -> Double {
    func product(_ pair: LowRankPair) -> [Double] {
      let (a, b) = (pair.a.floats().map { Double($0) }, pair.b.floats().map { Double($0) })
      let (r, n, m) = (pair.rank, pair.inputCount, pair.outputCount)
      var out = [Double](repeating: 0, count: n * m)
      for i in 0..<m { for c in 0..<r { for j in 0..<n { out[i * n + j] += b[i * r + c] * a[c * n + j] } } }
      return out
    }
    let (p, q) = (product(x), product(y))
    let difference = zip(p, q).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    return (difference / p.reduce(0) { $0 + $1 * $1 }).squareRoot()
  }

  @Test(
    "each module is within the bound, and the stated error is the true one",
    arguments: [3e-4, 2.3e-3, 1e-2, 5e-2, 0.3])
  func bounds(bound: Double) throws {
    let archive = trainedArchive(pairs: 3, rank: 8, input: 96, output: 80)
    try TinaWriter.write(archive, to: path, options: TinaOptions(.maxError(bound)))
    let file = try TinaFile(path: path)
    #expect(try TinaFile.verify(path: path).isValid)
    for layers in 1...file.layers.count {
      let read = try TinaFile(path: path, layers: layers).archive()
      for (number, (x, y)) in zip(archive.entries, read.entries).enumerated() {
        let (x, y) = try (#require(x.pair), #require(y.pair))
        let truth = error(x, y)
        let stated = Double(file.catalog.entries[number].errors[layers - 1])
        #expect(abs(stated - truth) <= 0.001 * truth, "layers \(layers): stated \(stated), true \(truth)")
        #expect(layers < file.layers.count || truth <= bound * 1.0001)
        #expect(x.scale == y.scale && y.a.elementType == .f32 && y.a.shape == x.a.shape)
      }
    }
    let worst = file.layers.map(\.worstError)
    #expect(worst == worst.sorted(by: >) && Double(worst[worst.count - 1]) >= bound * 0.97)
    #expect(!file.isExact)
  }

  @Test("components of very different strength, more components than inputs, BF16, a module of zeros")
  func shapes() throws {
    var random = SeededGenerator(5)
    var zero = trainedPair(rank: 4, input: 20, output: 20, &random)
    zero.b = Tensor(name: "b", shape: [20, 4], floats: [Float](repeating: 0, count: 80))
    var uneven = trainedPair(rank: 4, input: 64, output: 64, &random)
    let factors: [Float] = [1e6, 1, 1e-6, 1e-19]
    uneven.b = Tensor(
      name: "b", shape: [64, 4], floats: uneven.b.floats().enumerated().map { $1 * factors[$0 % 4] })
    var half = trainedPair(rank: 4, input: 64, output: 64, &random)
    let halves = half.a.floats().flatMap { value -> [UInt8] in
      let bits = bfloat16Bits(value)
      return [UInt8(truncatingIfNeeded: bits), UInt8(bits >> 8)]
    }
    half.a = Tensor(name: "a", elementType: .bf16, shape: [4, 64], memory: OwnedBytes(halves))
    let archive = AdapterArchive(entries: [
      pairEntry("a", zero), pairEntry("b", uneven), pairEntry("c", half),
      pairEntry("d", trainedPair(rank: 16, input: 4, output: 6, &random)),
    ])
    for precision in [TinaOptions.Precision.fine, .standard, .small] {
      for isPlain in [false, true] {
        var options = TinaOptions(precision)
        options.isPlain = isPlain
        try TinaWriter.write(archive, to: path, options: options)
        let report = try TinaFile.verify(path: path)
        #expect(report.isValid, "\(report.violations)")
        guard case .maxError(let bound) = precision else { continue }
        for (x, y) in zip(archive.entries, try TinaFile(path: path).archive().entries).dropFirst() {
          #expect(error(try #require(x.pair), try #require(y.pair)) <= bound * 1.0001)
        }
      }
    }
  }

  @Test("a prefix is a weaker adapter, opened only on request")
  func prefixes() throws {
    let archive = trainedArchive()
    try TinaWriter.write(archive, to: path, options: TinaOptions(.fine))
    let whole = contents(path)
    let file = try TinaFile(path: path)
    try #require(file.layers.count == 3)
    let first = bytes(of: try TinaFile(path: path, layers: 1).archive().entries[0].tensors[1])
    let cut = directory.write("cut.tina", whole[..<file.layers[0].end])
    #expect(brokenRule(cut) == .truncated)
    #expect(bytes(of: try TinaFile(path: cut, layers: 1).archive().entries[0].tensors[1]) == first)
    #expect(brokenRule(cut, layers: 2) == .truncated)
    #expect(brokenRule(cut, layers: 0) == .layers && brokenRule(cut, layers: 4) == .layers)
    // A download that stopped within the third layer still holds two.
    let partial = directory.write("partial.tina", whole[..<(file.layers[1].end + 1)])
    #expect(brokenRule(partial, layers: 2) == nil && brokenRule(partial, layers: 3) == .truncated)
    do throws(AdapterError) {
      _ = try TinaFile(path: partial)
      Issue.record("a cut file was opened")
    } catch {
      #expect(
        error.description.contains("cut within layer 3 of 3 layers") && error.description.contains("layers=2")
      )
    }
    // A damaged byte behind the layers that are read does no harm to them.
    var damaged = whole
    damaged[file.layers[1].end] ^= 1
    let copy = directory.write("damaged.tina", damaged)
    #expect(brokenRule(copy, layers: 2) == nil && brokenRule(copy) == .blockDigest)
  }

  @Test("a size that is asked for is met, and used")
  func size() throws {
    let archive = trainedArchive(pairs: 6, rank: 8, input: 200, output: 160)
    let exact = try TinaWriter.write(archive, to: path).byteCount
    for limit in [exact, exact * 6 / 10, exact * 3 / 10, exact * 2 / 10] {
      let summary = try TinaWriter.write(archive, to: path, options: TinaOptions(.maxBytes(limit)))
      #expect(summary.byteCount <= limit && summary.byteCount > limit * 93 / 100)
      #expect(contents(path).count == summary.byteCount)
    }
  }

  @Test("a lower rank keeps the strongest components and states what is lost")
  func rank() throws {
    let archive = trainedArchive(pairs: 2, rank: 8, input: 60, output: 50)
    for precision in [TinaOptions.Precision.exact, .standard] {
      var options = TinaOptions(precision)
      options.original = archive
      try TinaWriter.write(archive.reduced(toRank: 3, path: "").archive, to: path, options: options)
      let file = try TinaFile(path: path)
      for (number, (x, y)) in zip(archive.entries, try file.archive().entries).enumerated() {
        let (x, y) = try (#require(x.pair), #require(y.pair))
        #expect(y.rank == 3 && y.scale == x.scale)
        let truth = error(x, y)
        let stated = try Double(#require(file.catalog.entries[number].errors.last))
        #expect(abs(stated - truth) <= 0.01 * truth)
        // No pair of rank 3 is nearer than the singular values allow.
        let sigma = LowRankAlgebra.singularValues(x)
        let lost = sigma.dropFirst(3).reduce(0) { $0 + $1 * $1 } / sigma.reduce(0) { $0 + $1 * $1 }
        #expect(truth >= lost.squareRoot() * 0.999 && truth <= lost.squareRoot() + 0.011)
      }
      #expect(!file.isExact)
    }
  }

  @Test("the integers of a plain layer are what a kernel multiplies")
  func integers() throws {
    var options = TinaOptions(.small)
    options.isPlain = true
    let archive = trainedArchive(pairs: 2)
    try TinaWriter.write(archive, to: path, options: options)
    let file = try TinaFile(path: path)
    let pairs = try file.integerPairs()
    let decoded = try file.archive()
    #expect(pairs.keys.sorted() == archive.entries.map(\.module))
    for entry in decoded.entries {
      let pair = try #require(pairs[entry.module])
      #expect(pair.floatsA() == entry.tensors[0].floats() && pair.floatsB() == entry.tensors[1].floats())
    }
  }
}

@Suite("Numbers of the .tina format")
struct TinaNumberTests {
  @Test("Philox4x32-10 gives the values of Random123, and A its bounds")
  func seeded() {
    // Independent: tools/golden/seeded_a.py.
    let a = SeededInitialization.a(
      seed: 0x1234_5678_9abc_def0, module: "layers.3.self_attn.q_proj", rank: 2, input: 3)
    #expect(a.map(\.bitPattern) == seededGolden)
    #expect(a.allSatisfy { abs($0) <= Float(1 / Double(3).squareRoot()) })
    let long = SeededInitialization.a(seed: 1, module: "m", rank: 100, input: 100)
    let mean = long.reduce(0, +) / 10000
    let square = long.reduce(0) { $0 + $1 * $1 } / 10000
    #expect(abs(mean) < 0.003 && abs(square - 0.01 / 3) < 0.0001)
    #expect(SeededInitialization.a(seed: 2, module: "m", rank: 1, input: 4) != Array(long[..<4]))
  }

  @Test("words in order, zigzag and their reverse, for every 16-bit word")
  func words() {
    var last: Float = -.infinity
    for word in UInt16.min...UInt16.max {
      #expect(Planes.unordered(Planes.ordered(word)) == word)
      #expect(Planes.unzigzag(Planes.zigzag(word)) == word)
      let value = float(bfloat16: Planes.unordered(word))
      if value.isNaN { continue }
      #expect(value >= last)
      last = value
    }
    #expect((0..<4).map { Planes.zigzag(UInt8(bitPattern: [0, -1, 1, -2][$0])) } == [0, 1, 2, 3])
  }

  @Test("rounding to half precision and to bfloat16")
  func rounding() {
    #if !os(macOS) || arch(arm64)
      var random = SeededGenerator(6)
      for _ in 0..<200_000 {
        let value = Float(bitPattern: UInt32(truncatingIfNeeded: random.next()))
        let exponent = Float(
          bitPattern: value.bitPattern & 0x807f_ffff | UInt32.random(in: 100...145, using: &random) << 23)
        for value in [value, exponent] where !value.isNaN {
          #expect(float16Bits(value) == Float16(value).bitPattern)
        }
      }
    #endif
    #expect(bfloat16Bits(1.00390625) == 0x3f80 && bfloat16Bits(1.01171875) == 0x3f82)
    #expect(bfloat16Bits(Float(bitPattern: 0x3f80_8001)) == 0x3f81 && bfloat16Bits(-.infinity) == 0xff80)
  }
}

/// F32 words that an independent program computed.
private let seededGolden: [UInt32] = [0xbe3c79b4, 0x3ef5c6b1, 0xbecf1fc2, 0xbf119881, 0x3d0fc13e, 0xbe8c13b6]
