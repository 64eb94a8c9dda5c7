#if os(Linux)
  import Foundation
  import TestSupport
  import Testing

  /// A program that was started with a low priority keeps it, and so does all that it starts.
  @Suite(.needsPico)
  struct PriorityTests {
    /// A reward that tells the nice values of itself, of its parents' threads and of their parents'.
    private static let reward = """
      import glob, json, os, sys

      def fields(path):
          return open(path).read().rpartition(")")[2].split()

      child = os.getppid()
      sweep = int(fields(f"/proc/{child}/stat")[1])
      for line in sys.stdin:
          batch = json.loads(line)
          found = {os.getpriority(os.PRIO_PROCESS, 0)}
          for process in child, sweep:
              for task in glob.glob(f"/proc/{process}/task/*/stat"):
                  try:
                      found.add(int(fields(task)[16]))
                  except OSError:
                      pass  # the thread ended
          with open("found.txt", "a") as file:
              print(*sorted(found), file=file)
          values = [len(c["completion"]) % 3 for c in batch["completions"]]
          print(json.dumps({"batch": batch["batch"], "values": values}), flush=True)
      """

    @Test func childrenOfASweepKeepItsNiceValue() throws {
      let scratch = TemporaryFolder()
      scratch.write("recipe.yaml", TrainTests.recipe + "\nreward_command: [python3, reward.py]\n")
      scratch.write("reward.py", Self.reward)
      scratch.write(
        "sweep.yaml",
        """
        recipe: recipe.yaml
        model: \(pico)
        set: {max_steps: 2, save_steps: 2}
        seeds: [1]
        ignore_missing_signal: true
        evaluation: {benchmark: pico, limit: 2, max_tokens: 8}
        """)
      let result = try Program.shell(
        "nice -n 7 \"$TINA\" sweep sweep.yaml --output sweep --no-trial --threads 2",
        in: scratch.path)
      #expect(result.status == 0, "\(result)")
      let found = try String(contentsOfFile: scratch.path("found.txt"), encoding: .utf8)
      // The test itself may run at another value than 0.
      let usual = try Program.shell("nice -n 7 nice").output.trimmingCharacters(in: .whitespacesAndNewlines)
      #expect(Set(found.split(separator: "\n").map(String.init)) == [usual], "\(found)")
    }
  }
#endif
