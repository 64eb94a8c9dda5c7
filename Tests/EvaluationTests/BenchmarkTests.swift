import Evaluation
import Foundation
import Problems
import Testing

@Suite struct BenchmarkTests {
  /// The real benchmarks, where they lie beside the checkout.
  @Test func realBenchmarksAreRead() throws {
    let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let folder = root.appending(path: "../shared/data/benchmarks").standardizedFileURL.path
    guard FileManager.default.fileExists(atPath: folder) else {
      print("skipped: no benchmarks at ../shared/data/benchmarks")
      return
    }
    let counts = [
      "aime24": 30, "aime25": 30, "amc23": 40, "math500": 500, "minerva": 272, "olympiadbench": 675,
      "gsm8k": 1319,
    ]
    for (name, count) in counts {
      let benchmark = try Benchmark(name, folder: folder, model: "", style: nil)
      #expect(benchmark.problems.count == count, "\(name)")
      #expect(benchmark.style == .math)
      #expect(benchmark.problems.allSatisfy { $0.answer?.isEmpty == false && !$0.text.isEmpty }, "\(name)")
    }
    for file in ["aime25/AIME25.still.jsonl", "aime25/aime2025.softthinking.json"] {
      let benchmark = try Benchmark(folder + "/" + file, folder: nil, model: "", style: nil)
      #expect(benchmark.problems.count == 30)
      #expect(benchmark.problems[0].answer == "70")
    }
  }
}
