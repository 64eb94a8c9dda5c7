import Evaluation
import Foundation
import Problems
import TestSupport
import Testing

@Suite struct BenchmarkTests {
  @Test(.needsShared("benchmarks")) func realBenchmarksAreRead() throws {
    let folder = try #require(shared("benchmarks"))
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
