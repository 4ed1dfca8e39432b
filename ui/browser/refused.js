// What was asked for cannot be done; the message is a sentence for the user.
export class Refused extends Error {}
