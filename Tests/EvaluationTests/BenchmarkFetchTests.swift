import Testing

@testable import Evaluation

@Suite struct BenchmarkFetchTests {
  @Test func theTestPartThatCanBeReadIsChosen() {
    #expect(
      Benchmark.best(of: [
        "README.md", "dataset_infos.json", "main/train-00000-of-00001.parquet",
        "main/test-00000-of-00001.parquet",
        "socratic/test-00000-of-00001.parquet",
      ]) == "main/test-00000-of-00001.parquet")
    #expect(Benchmark.best(of: ["train.jsonl", "test.jsonl", "test.parquet"]) == "test.jsonl")
    #expect(Benchmark.best(of: ["README.md", "dataset_infos.json"]) == nil)
  }

  @Test func onlyKnownBenchmarksThatAreMissingAreFetched() {
    #expect(Benchmark.repositories(toFetch: "a-file.jsonl", folder: nil) == nil)
    #expect(Benchmark.repositories(toFetch: "gsm8k", folder: "/nowhere") == ["openai/gsm8k"])
  }
}
