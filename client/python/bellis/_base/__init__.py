"""What every room uses: values in messages, private files, facts about the machine."""
