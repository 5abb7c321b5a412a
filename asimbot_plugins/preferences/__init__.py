"""From prompts to preference data: draw candidates, have them ranked, write what trainers take."""
