import AdapterFormat
import Foundation
import ModelFiles
import TestSupport
import Testing

@Suite("Differences, reductions, analyses")
struct DifferenceTests {
  @Test("verdicts: the same, up to rounding, different; entries in one adapter only")
  func verdicts() throws {
    let archive = testArchive([("layers.0.mlp.up_proj", 3, 2), ("layers.1.mlp.up_proj", 3, 2)])
    #expect(AdapterDifference(archive, archive).verdict == .same)
    let rounded = try archive.converted(to: .bf16, path: "t")
    let difference = AdapterDifference(archive, rounded.archive)
    #expect(difference.verdict == .rounding)
    let relative = try #require(difference.relative)
    #expect(relative > 1e-4 && relative < 4e-3)
    #expect(abs((rounded.worst?.error ?? 0) - (difference.items.compactMap(\.relative).max() ?? 1)) < 1e-9)
    var scaled = archive
    guard case .lowRank(var pair) = scaled.entries[0].content else { return }
    pair.scale = 2.1
    scaled.entries[0].content = .lowRank(pair)
    let far = AdapterDifference(archive, scaled)
    #expect(far.verdict == .different && far.items.map(\.verdict) == [.different, .same])
    #expect(abs((far.items[0].relative ?? 0) - 0.1 / 2.1) < 1e-6)
    var fewer = archive
    fewer.entries.removeLast()
    for difference in [AdapterDifference(archive, fewer), AdapterDifference(fewer, archive)] {
      #expect(difference.verdict == .different && difference.items.count == 2)
      #expect(difference.items[1].remark?.hasPrefix("only in the") == true)
    }
  }

  @Test("a lower rank keeps the largest singular values, and tells the error truly")
  func reduction() throws {
    let archive = testArchive([("layers.0.mlp.up_proj", 5, -3)], input: 40, output: 30)
    let reduced = try archive.reduced(toRank: 2, path: "t")
    let before = archive.analyzePairs()[0]
    let after = reduced.archive.analyzePairs()[0]
    let sigma = try #require(before.singularValues)
    let kept = try #require(after.singularValues)
    #expect(after.rank == 2 && zip(sigma, kept).allSatisfy { abs($0 - $1) < 1e-5 * $0 })
    let lost = sigma[2...].reduce(0) { $0 + $1 * $1 }.squareRoot()
    let norm = try #require(before.norm)
    #expect(abs((reduced.worst?.error ?? 0) - lost / norm) < 1e-5)
    // PEFT's configuration follows.
    let out = TemporaryFolder()
    try reduced.archive.export(.peft, to: out.path + "/peft")
    #expect(try Adapter(path: out.path + "/peft").modules[0].scale == -3)
    #expect(try archive.reduced(toRank: 8, path: "t").worst?.error == 0)
  }

  @Test("numbers beyond a type's range are refused")
  func range() {
    var archive = testArchive([("layers.0.mlp.up_proj", 1, 1)], input: 1, output: 1)
    guard case .lowRank(var pair) = archive.entries[0].content else { return }
    pair.a = Tensor(name: "a", shape: [1, 1], floats: [65520])
    archive.entries[0].content = .lowRank(pair)
    #expect(throws: AdapterError.self) { try archive.converted(to: .f16, path: "t") }
    #expect(throws: Never.self) { try archive.converted(to: .bf16, path: "t") }
  }

  @Test("the effective rank counts equal directions, and is 0 for zero")
  func effectiveRank() {
    func analysis(_ values: [Double]?) -> PairAnalysis {
      let count = values?.count ?? 1
      let identity = Tensor(
        name: "a", shape: [count, count],
        floats: (0..<count * count).map {
          $0 % (count + 1) == 0 ? Float(values?[$0 / (count + 1)] ?? .nan) : 0
        })
      let ones = Tensor(
        name: "b", shape: [count, count], floats: (0..<count * count).map { $0 % (count + 1) == 0 ? 1 : 0 })
      let pair = LowRankPair(a: identity, b: ones, scale: 1, scaleOrigin: .stated, alpha: nil)
      return AdapterArchive(entries: [AdapterEntry(module: "m", path: "m", content: .lowRank(pair))])
        .analyzePairs()[0]
    }
    #expect(abs((analysis([2, 2, 2]).effectiveRank ?? 0) - 3) < 1e-12)
    #expect(abs((analysis([1, 0, 0]).effectiveRank ?? 0) - 1) < 1e-12)
    #expect(analysis([0, 0]).effectiveRank == 0 && analysis([3, 4]).norm == 5)
    #expect(analysis(nil).effectiveRank == nil && analysis(nil).norm == nil)
  }
}
