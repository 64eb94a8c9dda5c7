import ModelFiles
import Problems

/// The problems of a training run.
struct ProblemSet: Sendable {
  let path: String
  let digest: String
  let problems: [Problem]

  /// - Parameters:
  ///   - names: members of other names than the usual ones.
  ///   - keepsColumns: whether problems keep all members of their records.
  /// - Throws: ``TrainerError`` naming the record that can't be read.
  init(path: String, names: DataColumns = DataColumns(), keepsColumns: Bool = false) throws(TrainerError) {
    self.path = path
    do throws(ProblemError) {
      let file = try ProblemFile(path, for: .training, names: names, keepsColumns: keepsColumns)
      (digest, problems) = (file.digest, file.problems)
    } catch {
      throw TrainerError(
        .data, place: error.location, found: error.found, expected: error.expected, advice: error.remedy)
    }
  }

  /// The problems at some places of a run.
  func problems(at places: Range<Int>, seed: UInt64) -> [Problem] {
    var epoch = -1
    var order: [Int] = []
    return places.map { place in
      if place / problems.count != epoch {
        epoch = place / problems.count
        order = self.order(epoch: epoch, seed: seed)
      }
      return problems[order[place % problems.count]]
    }
  }

  /// Each epoch goes through all problems in an order of its own, which depends on (seed, epoch) alone.
  func order(epoch: Int, seed: UInt64) -> [Int] {
    DataOrder.order(problems.count, epoch: epoch, seed: seed)
  }
}
