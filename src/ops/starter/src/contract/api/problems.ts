export const apiProblems = {
  note_taken: { status: 409, title: "Note already exists" },
} as const;
