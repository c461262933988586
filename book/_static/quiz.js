// The quiz counts: the first choice that is opened is the answer. Without this script the page is a
// list of questions whose answers are folded. What was answered is kept in this browser alone.
document.addEventListener("DOMContentLoaded", () => {
  const STORE = "prunelimit-quiz";
  const score = document.getElementById("quiz-score");
  const again = document.getElementById("quiz-again");
  const questions = [...document.querySelectorAll(".question")].map((box, number) => {
    const text = box.querySelector("p");
    text.id = `question-${number + 1}`;
    box.setAttribute("role", "group");
    box.setAttribute("aria-labelledby", text.id);
    return [...box.querySelectorAll("details")];
  });
  const isRight = (choice) => choice.querySelector(".sd-summary-content").textContent.trim().startsWith("Right");

  function read() {
    try {
      const kept = JSON.parse(localStorage.getItem(STORE));
      if (Array.isArray(kept)) return questions.map((choices, i) => (choices[kept[i]] ? kept[i] : null));
    } catch {
      // nothing kept, or a browser that keeps nothing
    }
    return questions.map(() => null);
  }

  function keep() {
    try {
      localStorage.setItem(STORE, JSON.stringify(answers));
    } catch {
      // a browser that keeps nothing
    }
  }

  function show() {
    questions.forEach((choices, i) => choices.forEach((choice, j) => {
      choice.querySelector(".quiz-mark")?.remove();
      if (answers[i] !== j) return;
      const mark = document.createElement("span");
      mark.className = "quiz-mark";
      mark.textContent = isRight(choice) ? " ✓ your answer, right" : " ✗ your answer, wrong";
      choice.querySelector(".sd-summary-text").append(mark);
    }));
    const given = answers.filter((answer) => answer !== null).length;
    const right = questions.filter((choices, i) => answers[i] !== null && isRight(choices[answers[i]])).length;
    score.textContent = given ? `${right} right of ${given} answered, of ${questions.length}.` : `${questions.length} questions, none answered yet.`;
    if (given === questions.length) score.textContent += right >= 8 ? " Well done." : " The chapters named above the wrong ones have the reasons.";
    again.hidden = given === 0;
  }

  const answers = read();
  questions.forEach((choices, i) => choices.forEach((choice, j) => {
    choice.addEventListener("toggle", () => {
      if (!choice.open || answers[i] !== null) return;
      answers[i] = j;
      keep();
      show();
    });
  }));
  again.addEventListener("click", () => {
    answers.fill(null);
    keep();
    for (const choice of questions.flat()) choice.open = false;
    show();
    score.scrollIntoView({ block: "center" });
  });
  score.hidden = false;
  show();
});
